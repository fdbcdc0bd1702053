// Four takes of one wish, of which one is picked: the one that one would rather hear again, or none. The keys 1 to 4 play.

import { h } from "../common/dom.js";
import { orWaiting, tell } from "../common/outbox.js";
import { t } from "../common/strings.js";
import { bareCard, fillCard, isHeard } from "./card.js";
import { ENOUGH_S, isEnough } from "./enough.js";
import { keep, kept } from "./kept.js";

const CHOICES = ["first", "second", "third", "fourth"];
const NONE = "none";

export function fourCard(listenerId, four) {
  const poll = picking(listenerId, four);
  const takes = four.tracks.map((track, place) => {
    const take = bareCard(track, t.four.take(place + 1));
    take.querySelector(".play").setAttribute("aria-keyshortcuts", String(place + 1));
    fillCard(take, listenerId, track, (ms, seconds) => poll.heard(place, ms, seconds))
      .then((ready) => isHeard(ready) || poll.lost(place));
    return take;
  });
  const play = (event) => {
    const take = takes[Number(event.key) - 1];
    if (!take || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    take.querySelector(".play").click();
  };
  return h("article", { class: "card four", tabIndex: -1, "data-four": four.four_id, onkeydown: play },
    h("h3", {}, four.tracks[0].prompt || t.four.surprise), h("p", { class: "hint" }, t.four.keys),
    h("div", { class: "takes" }, takes), poll.element);
}

// Where one picks, once enough of every take was heard; one may hear again and pick another. `heard(place, ms, seconds)` is
// to be told of it, and `lost(place)` which of them cannot be heard; isDue() is whether a pick is asked for.
export function picking(listenerId, four) {
  const unheard = new Set(CHOICES.keys()), gone = new Set();
  const state = h("p", { class: "state", role: "status" });
  const buttons = [...CHOICES, NONE].map((choice, place) =>
    h("button", { type: "button", class: "quiet", "data-choice": choice, onclick: () => pick(choice) },
      choice === NONE ? t.four.none : t.four.take(place + 1)));
  let picked = kept(four.four_id);
  const said = (isOpen) => {
    if (picked) return isOpen ? `${t.four.counted} ${t.four.again}` : t.four.counted;
    if (isOpen) return t.four.open;
    return unheard.size ? t.four.hear(ENOUGH_S, [...unheard].map((place) => place + 1)) : t.four.lost;
  };
  const show = () => {
    const isOpen = gone.size < CHOICES.length && (picked || unheard.size === 0);
    state.textContent = said(isOpen);
    buttons.forEach((button, place) => {
      button.disabled = !isOpen || gone.has(place);
      button.classList.toggle("chosen", button.dataset.choice === picked);
      button.setAttribute("aria-pressed", String(button.dataset.choice === picked));
    });
  };
  const note = (choice) => {
    keep(four.four_id, choice);
    picked = choice;
    show();
  };
  const pick = async (choice) => {
    const before = picked;
    note(choice);
    state.textContent = "";
    try {
      await orWaiting(tell(listenerId, "encore.four.picked", { four_id: four.four_id, choice }), () => (state.textContent = t.four.waits));
      show();
    } catch (error) {
      note(before);
      state.textContent = error.message;
    }
  };
  show();
  return {
    element: h("div", { class: "ballot" }, h("fieldset", { class: "vote" }, h("legend", {}, t.four.legend), buttons), state),
    heard: (place, ms, seconds) => { if (isEnough(ms, seconds) && unheard.delete(place)) show(); },
    lost: (place) => {
      if (gone.has(place)) return;
      gone.add(place);
      unheard.delete(place);
      show();
    },
    isDue: () => !picked && unheard.size === 0 && gone.size < CHOICES.length,
  };
}
