// What a part of a page shows while it has nothing to show: it waits, there is nothing yet, or it went wrong.

import { fill, h } from "./dom.js";
import { leftFor } from "./shell.js";
import { t } from "./strings.js";

export const waiting = (text = t.states.loading) => h("p", { class: "state waiting", role: "status" }, text);
export const empty = (text) => h("p", { class: "state empty" }, text);

const failed = (error, again) =>
  h("div", { class: "state failed", role: "alert" },
    h("p", {}, error.message),
    h("button", { type: "button", class: "quiet", onclick: again }, t.states.again));

const newest = new WeakMap(); // of each place, the last asking: an older one is answered too late

// Fills `place` with what `load` resolves to (an element, or a list of them); until then it waits, and what goes wrong
// can be tried again. What was there stays while it is renewed.
export async function shown(place, load) {
  if (!place.hasChildNodes()) fill(place, waiting());
  place.setAttribute("aria-busy", "true");
  const asking = load();
  newest.set(place, asking);
  const found = await asking.catch((error) => {
    leftFor(error);
    return failed(error, () => shown(place, load));
  });
  if (newest.get(place) !== asking) return;
  fill(place, [found].flat());
  place.removeAttribute("aria-busy");
}
