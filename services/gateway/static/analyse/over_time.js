// Uplift release by release, in time, with the band of its intervals.

import { chart, Plot } from "../common/plot.js";
import { t } from "../common/strings.js";

const HEIGHT = 320;

export function overTime(rows, state) {
  const [arm, baseline] = state.pair.split("-");
  const words = t.analyse;
  const told = rows.filter(({ low }) => low !== null);
  return chart(words.saysTime(arm, baseline, told.length), () => ({
    height: HEIGHT, marginLeft: 56, marginBottom: 44,
    x: { type: "time", label: words.started },
    y: { label: words.axis(arm, baseline, state.scale), grid: true, nice: true, tickFormat: state.scale === "absolute" ? "+.2~f" : "+.0%" },
    marks: [
      Plot.ruleY([0], { stroke: "var(--edge)" }),
      Plot.areaY(told, { x: "started", y1: "low", y2: "high", fill: "var(--accent)", fillOpacity: 0.15 }),
      Plot.ruleX(told, { x: "started", y1: "low", y2: "high", stroke: "var(--accent)" }),
      Plot.line(told, { x: "started", y: "estimate", stroke: "var(--accent)", strokeWidth: 2 }),
      Plot.dot(told, { x: "started", y: "estimate", fill: "var(--accent)", r: 5 }),
    ],
  }));
}
