// What counts beside a listener's taste, where several seeds compete to become a track.

import { h } from "../common/dom.js";
import { t } from "../common/strings.js";

const KEPT = "encore-dials";
const NAMES = ["harmony", "coherence", "production"];
const WEIGHTS = [0, 1, 2, 3];

const kept = () => JSON.parse(localStorage.getItem(KEPT) ?? "{}");

// A part of a wish: the weights that this browser's listener chose; of the others the operator's hold.
export const dials = () => (Object.keys(kept()).length ? { dials: kept() } : {});

function set(name, weight) {
  const { [name]: _, ...others } = kept();
  localStorage.setItem(KEPT, JSON.stringify(weight === "" ? others : { ...others, [name]: Number(weight) }));
}

export function dialing() {
  const chosen = kept();
  const dial = (name) => {
    const id = `dial-${name}`;
    const weights = h("select", { id, onchange: () => set(name, weights.value) },
      ["", ...WEIGHTS].map((weight) => h("option", { value: weight, selected: weight === (chosen[name] ?? "") }, t.dials.weight(weight))));
    return h("div", {}, h("label", { for: id }, t.dials.name[name]), weights);
  };
  return h("details", { class: "dials", open: Boolean(Object.keys(chosen).length) },
    h("summary", {}, t.dials.title),
    h("p", { class: "hint" }, t.dials.hint),
    h("div", { class: "row" }, NAMES.map(dial)));
}
