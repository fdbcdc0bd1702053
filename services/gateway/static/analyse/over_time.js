// Uplift day by day, or up to each day, with the band of its interval; a strip for each cell.

import { chart, Plot } from "../common/plot.js";
import { t } from "../common/strings.js";
import { axis, formats } from "./units.js";

const ALONE = 320;
const STRIP = 130;
const MOST = 12; // strips; more are not told apart

export function overTime(rows, answer, state) {
  const words = t.analyse;
  const told = rows.filter(({ low }) => low !== null).map((row) => ({ ...row, name: row.name || words.everyone }));
  const names = [...new Set(told.map(({ name }) => name))].slice(0, MOST);
  const shown = told.filter(({ name }) => names.includes(name));
  return chart(words.saysTime(answer, names.length), () => ({
    height: names.length > 1 ? STRIP * names.length + 60 : ALONE, marginLeft: 56, marginBottom: 44, marginRight: names.length > 1 ? 110 : 16,
    x: { type: "time", label: words.day }, fy: { label: null, domain: names },
    y: { label: axis(answer, state), grid: true, nice: true, tickFormat: formats(state, answer.unit).tick, ticks: names.length > 1 ? 3 : 8 },
    facet: names.length > 1 ? { data: shown, y: "name" } : undefined,
    marks: [
      Plot.ruleY([0], { stroke: "var(--edge)" }),
      Plot.areaY(shown, { x: "day", y1: "low", y2: "high", fill: "var(--accent)", fillOpacity: 0.15 }),
      Plot.ruleX(shown, { x: "day", y1: "low", y2: "high", stroke: "var(--accent)", strokeOpacity: 0.5 }),
      Plot.line(shown, { x: "day", y: "estimate", stroke: "var(--accent)", strokeWidth: 2 }),
      Plot.dot(shown, { x: "day", y: "estimate", fill: "var(--accent)", r: 4 }),
    ],
  }));
}
