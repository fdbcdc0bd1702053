// A blind pair: two tracks for one wish, and which of them one would rather hear again.

import { h } from "../common/dom.js";
import { tell } from "../common/outbox.js";
import { t } from "../common/strings.js";
import { bareCard, fillCard } from "./card.js";
import { keep, kept } from "./kept.js";

const ENOUGH_MS = 4000;
const ENOUGH_PART = 900; // of 1000, of a track that is shorter
const CHOICES = [["first", ""], ["second", ""], ["tie", "quiet"], ["both_bad", "quiet"]];

export function pairCard(listenerId, pair, onVoted = () => {}) {
  const state = h("p", { class: "state", role: "status" }, t.pair.hear(ENOUGH_MS / 1000));
  const buttons = CHOICES.map(([choice, look]) =>
    h("button", { type: "button", class: look, "data-choice": choice, disabled: true }, t.pair[choice]));
  const sides = h("div", { class: "sides" });
  const card = h("article", { class: "card pair", tabIndex: -1, "data-pair": pair.pair_id },
    h("h3", {}, pair.first.prompt || t.pair.surprise), sides,
    h("fieldset", { class: "vote" }, h("legend", {}, t.pair.legend), buttons), state);
  const heard = { first: 0, second: 0 }, enough = { first: Infinity, second: Infinity };
  let vote = kept(pair.pair_id);

  const show = () => {
    const may = !vote && ["first", "second"].every((side) => heard[side] >= enough[side]);
    for (const button of buttons) {
      button.disabled = !may;
      button.classList.toggle("chosen", button.dataset.choice === vote);
    }
    if (vote) state.textContent = t.pair.counted;
  };
  const cast = async (choice) => {
    buttons.forEach((button) => (button.disabled = true));
    try {
      await tell(listenerId, "encore.pair.voted", { pair_id: pair.pair_id, choice });
      keep(pair.pair_id, choice);
      vote = choice;
      onVoted(choice);
    } catch (error) {
      state.textContent = error.message;
    }
    show();
  };
  for (const button of buttons) button.onclick = () => cast(button.dataset.choice);
  for (const side of ["first", "second"]) {
    const half = bareCard(pair[side], t.pair[side]);
    sides.append(half);
    fillCard(half, listenerId, pair[side], (ms) => { heard[side] = ms; show(); })
      .then((ready) => { if (ready) enough[side] = Math.min(ENOUGH_MS, ready.seconds * ENOUGH_PART); });
  }
  show();
  return card;
}
