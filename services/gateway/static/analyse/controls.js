// What may be asked: dimensions, metric, arms, release, time, scale and kind of interval.

import { h } from "../common/dom.js";
import { date, short } from "../common/format.js";
import { t } from "../common/strings.js";
import { EVERY, isOffered, OUTSIDE } from "./numbers.js";

const ARMS = ["candidate", "champion", "cold", "base"];
const DIMENSIONS = ["home", "age_band", "country", "taste", "device", "tenure", "style", "method"];
const METRICS = ["stars", "heard_share", "early_skip", "completion", "pair_wins"];
const MOST_DIMENSIONS = 4;

// Fields of this state; change(part) is told what was chosen.
export function controls(state, releases, change) {
  const words = t.analyse;
  const select = (name, label, options) => {
    const box = h("select", { id: `choose-${name}`, onchange: () => change({ [name]: box.value }) },
      options.map(([key, text]) => h("option", { value: key, selected: key === state[name] }, text)));
    return h("div", {}, h("label", { for: box.id }, label), box);
  };
  const named = (keys, names) => keys.map((key) => [key, names[key]]);
  return [
    crossing(state, change),
    select("metric", words.metric, named(METRICS, words.metrics)),
    select("arm", words.arm, named(ARMS, words.arms)),
    select("baseline", words.baseline, named(ARMS, words.arms)),
    select("release", words.release,
      [...releases.map((each) => [each.release_id, words.releaseOf(short(each.release_id), date(each.started_at))]), [EVERY, words.every], [OUTSIDE, words.outside]]),
    select("per", words.per, named(state.release === EVERY ? ["whole"] : ["whole", "cumulative", "day"], words.pers)),
    select("scale", words.scale, named(["absolute", "relative"], words.scales)),
    select("bounds", words.bounds, named(["own", "family"], words.boundsOf)),
  ];
}

function crossing(state, change) {
  const chosen = state.by.split(",").filter(Boolean);
  const box = (name) => {
    const input = h("input", {
      type: "checkbox", id: `by-${name}`, checked: chosen.includes(name),
      disabled: !chosen.includes(name) && (chosen.length === MOST_DIMENSIONS || !isOffered(name, state)),
      onchange: () => change({ by: DIMENSIONS.filter((each) => (each === name ? input.checked : chosen.includes(each))).join(",") }),
    });
    return h("span", { class: "choice" }, input, h("label", { for: input.id }, t.analyse.dimensions[name]));
  };
  return h("fieldset", { class: "crossing" }, h("legend", {}, t.analyse.by), DIMENSIONS.map(box));
}
