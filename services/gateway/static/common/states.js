// What a part of a page shows while it has nothing to show: it waits, there is nothing yet, or it went wrong.

import { fill, h } from "./dom.js";
import { t } from "./strings.js";

export const waiting = (text = t.states.loading) => h("p", { class: "state waiting", role: "status" }, text);
export const empty = (text) => h("p", { class: "state empty" }, text);

const failed = (error, again) =>
  h("div", { class: "state failed", role: "alert" },
    h("p", {}, error.message),
    h("button", { type: "button", class: "quiet", onclick: again }, t.states.again));

// Fills `place` with what `load` resolves to (an element, or a list of them); until then it waits, and what goes wrong
// can be tried again. What was there stays while it is renewed.
export async function shown(place, load) {
  if (!place.hasChildNodes()) fill(place, waiting());
  place.setAttribute("aria-busy", "true");
  try {
    fill(place, [await load()].flat());
  } catch (error) {
    fill(place, failed(error, () => shown(place, load)));
  } finally {
    place.removeAttribute("aria-busy");
  }
}
