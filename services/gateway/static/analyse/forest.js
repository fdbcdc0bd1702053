// A forest plot: each cell's uplift with its interval; cells too small to be told have a row that says so.

import { chart, Plot } from "../common/plot.js";
import { t } from "../common/strings.js";
import { axis, formats } from "./units.js";

const ROW = 32;
const AROUND = 84;
const CHARACTER = 7.5; // of a label's width, in pixels
const WIDEST = 220;

export function forest(rows, answer, state) {
  const words = t.analyse;
  const named = rows.map((row) => ({ ...row, name: row.name || words.everyone }));
  const told = named.filter(({ low }) => low !== null);
  const silent = named.filter(({ low }) => low === null);
  const { say, tick } = formats(state, answer.unit);
  const left = Math.min(WIDEST, 24 + CHARACTER * Math.max(...named.map(({ name }) => name.length)));
  return chart(words.saysForest(answer, told.length, silent.length, state.bounds), () => ({
    height: AROUND + ROW * named.length, marginLeft: left, marginRight: 56, marginBottom: 44,
    x: { label: axis(answer, state), grid: true, nice: true, tickFormat: tick },
    y: { label: null, domain: named.map(({ name }) => name), padding: 0.3 },
    marks: [
      Plot.ruleX([0], { stroke: "var(--edge)" }),
      Plot.ruleY(told, { y: "name", x1: "low", x2: "high", stroke: "var(--ink)", strokeWidth: 2 }),
      Plot.dot(told, {
        y: "name", x: "estimate", r: 5, symbol: "square",
        fill: ({ low, high }) => (low > 0 ? "var(--good)" : high < 0 ? "var(--warn)" : "var(--soft)"),
      }),
      Plot.dot(told, { y: "name", x: "shrunken", r: 4, symbol: "diamond2", stroke: "var(--accent)", fill: "var(--paper)" }),
      Plot.text(told, { y: "name", x: "high", text: ({ estimate }) => say(estimate), dx: 6, textAnchor: "start", fill: "currentColor" }),
      Plot.text(silent, { y: "name", x: 0, text: ({ cell }) => (cell.hidden ? words.hidden : words.noInterval), dx: 8, textAnchor: "start", fill: "var(--soft)" }),
    ],
  }));
}
