// A blind pair: two tracks for one wish, stars for each, and which of them one would rather hear again.

import { h } from "../common/dom.js";
import { orWaiting, tell } from "../common/outbox.js";
import { t } from "../common/strings.js";
import { bareCard, fillCard, isHeard } from "./card.js";
import { ENOUGH_S, isEnough } from "./enough.js";
import { keep, kept } from "./kept.js";
import { stars } from "./stars.js";

const CHOICES = [["first", ""], ["second", ""], ["tie", "quiet"], ["both_bad", "quiet"]];
const SIDES = ["first", "second"];

// Where one votes, once enough of both was heard: `element`, `heard(place, ms, seconds)` to be told of it,
// `lost()` to be told that one of them cannot be heard, and isDue(), whether a vote is asked for.
export function ballot(listenerId, pair) {
  const unheard = new Set(SIDES.keys());
  const state = h("p", { class: "state", role: "status" }, t.pair.hear(ENOUGH_S));
  const buttons = CHOICES.map(([choice, look]) =>
    h("button", { type: "button", class: look, "data-choice": choice, onclick: () => cast(choice) }, t.pair[choice]));
  let vote = kept(pair.pair_id);
  const isDue = () => !vote && unheard.size === 0;
  const show = () => {
    for (const button of buttons) {
      button.disabled = !isDue();
      button.classList.toggle("chosen", button.dataset.choice === vote);
    }
  };
  const note = (choice) => {
    keep(pair.pair_id, choice);
    vote = choice;
    show();
  };
  const cast = async (choice) => {
    note(choice);
    try {
      await orWaiting(tell(listenerId, "encore.pair.voted", { pair_id: pair.pair_id, choice }), () => (state.textContent = t.pair.waits));
      state.textContent = t.pair.counted;
    } catch (error) {
      note(undefined);
      state.textContent = error.message;
    }
  };
  if (vote) state.textContent = t.pair.counted;
  show();
  return {
    element: h("div", { class: "ballot" }, h("fieldset", { class: "vote" }, h("legend", {}, t.pair.legend), buttons), state),
    heard: (place, ms, seconds) => { if (isEnough(ms, seconds) && unheard.delete(place)) show(); },
    lost: () => { if (!vote) state.textContent = t.pair.lost; },
    isDue,
  };
}

export function pairCard(listenerId, pair) {
  const votes = ballot(listenerId, pair);
  const halves = SIDES.map((side, place) => {
    const half = bareCard(pair[side], t.pair[side]);
    fillCard(half, listenerId, pair[side], (ms, seconds) => votes.heard(place, ms, seconds)).then((ready) => {
      if (!isHeard(ready)) votes.lost();
      if (ready) half.append(stars(listenerId, ready, (text) => (half.querySelector(".state").textContent = text)));
    });
    return half;
  });
  return h("article", { class: "card pair", tabIndex: -1, "data-pair": pair.pair_id },
    h("h3", {}, pair.first.prompt || t.pair.surprise), h("div", { class: "sides" }, halves), votes.element);
}
