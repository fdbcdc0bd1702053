// Uplift day by day, or up to each day, with the band of its interval; a strip for each cell. A day that cannot be told, of
// too few listeners or too little feedback, has a cross on the line of no difference.

import { chart, Plot } from "../common/plot.js";
import { t } from "../common/strings.js";
import { axis, formats } from "./units.js";

const ALONE = 320;
const STRIP = 130;
const MOST = 12; // strips; more are not told apart

export function overTime(rows, answer, state) {
  const words = t.analyse;
  const named = rows.map((row) => ({ ...row, name: row.name || words.everyone }));
  const all = [...new Set(named.map(({ name }) => name))];
  const names = all.slice(0, MOST);
  const drawn = named.filter(({ name }) => names.includes(name));
  const shown = drawn.filter(({ low }) => low !== null);
  const silent = drawn.filter(({ low }) => low === null);
  const strip = names.length > 1 ? { fy: "name" } : {};
  return chart(words.saysTime(answer, names.length, silent.length, all.length - names.length), () => ({
    height: names.length > 1 ? STRIP * names.length + 60 : ALONE, marginLeft: 56, marginBottom: 44, marginRight: names.length > 1 ? 110 : 16,
    x: { type: "time", label: words.day }, fy: { label: null, domain: names },
    y: { label: axis(answer, state), grid: true, nice: true, tickFormat: formats(state, answer.unit).tick, ticks: names.length > 1 ? 3 : 8 },
    marks: [
      Plot.ruleY([0], { stroke: "var(--edge)" }),
      Plot.areaY(drawn, { ...strip, x: "day", y1: "low", y2: "high", fill: "var(--accent)", fillOpacity: 0.15 }),
      Plot.ruleX(shown, { ...strip, x: "day", y1: "low", y2: "high", stroke: "var(--accent)", strokeOpacity: 0.5 }),
      Plot.line(drawn, { ...strip, x: "day", y: "estimate", stroke: "var(--accent)", strokeWidth: 2 }),
      Plot.dot(shown, { ...strip, x: "day", y: "estimate", fill: "var(--accent)", r: 4 }),
      Plot.dot(silent, { ...strip, x: "day", y: () => 0, symbol: "times", stroke: "var(--soft)", r: 4 }),
    ],
  }));
}
