// What is for good is asked for twice.

import { fill, h } from "./dom.js";

// A button that asks before `work(button)` begins. `words`: ask, means, yes, no, and of(word, what), a button's whole name.
export function askedTwice(words, what, work) {
  const place = h("span", { class: "row" });
  const button = (name, onclick) => h("button", { type: "button", class: "quiet small", "aria-label": words.of(name, what), onclick }, name);
  const closed = () => fill(place, button(words.ask, open));
  const open = () => {
    fill(place, h("span", { class: "hint", role: "status" }, words.means), button(words.yes, ({ target }) => work(target)), button(words.no, closed));
    place.querySelector("button").focus();
  };
  closed();
  return place;
}
