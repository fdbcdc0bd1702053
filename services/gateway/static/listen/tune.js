// Where a station begins: press play, with a few words or none.

import { h } from "../common/dom.js";
import { t } from "../common/strings.js";
import { fade, FADES_S, setFade } from "./fade.js";

const LENGTHS_S = [10, 20, 30, 60, 120];
const FIRST_S = 20;

// onPlay({ prompt, seconds }); `going` offers what there is to go on with.
export function tuning(onPlay, going) {
  const prompt = h("input", { id: "mood", maxLength: 300, placeholder: t.station.example, autocomplete: "off" });
  const length = h("select", { id: "length" }, LENGTHS_S.map((seconds) =>
    h("option", { value: seconds, selected: seconds === FIRST_S }, t.station.length(seconds))));
  const fading = h("select", { id: "fade", onchange: () => setFade(fading.value) }, FADES_S.map((seconds) =>
    h("option", { value: seconds, selected: seconds === fade() }, t.station.fadeOf(seconds))));
  const play = (event) => {
    event.preventDefault();
    onPlay({ prompt: prompt.value, seconds: Number(length.value) });
  };
  return h("section", { id: "station", "aria-labelledby": "station-title" },
    h("h2", { id: "station-title" }, t.station.title),
    h("form", { onsubmit: play, class: "tune" },
      h("button", { class: "play big", "aria-label": t.station.play }),
      h("div", { class: "fields" },
        h("div", {}, h("label", { for: "mood" }, t.station.mood), prompt),
        h("div", {}, h("label", { for: "length" }, t.station.each), length),
        h("div", {}, h("label", { for: "fade" }, t.station.fade), fading))),
    going, h("p", { class: "hint" }, t.station.hint));
}
