// A forest plot: each cohort's uplift with its interval; cohorts too small to be told have a row without one.

import { chart, Plot } from "../common/plot.js";
import { percent, signed } from "../common/format.js";
import { t } from "../common/strings.js";

const ROW = 34;
const AROUND = 80;
const CHARACTER = 7.5; // of a label's width, in pixels
const WIDEST = 180;

export function forest(rows, state) {
  const words = t.analyse;
  const told = rows.filter(({ low }) => low !== null);
  const silent = rows.filter(({ low }) => low === null);
  const format = state.scale === "absolute" ? signed : percent;
  const [arm, baseline] = state.pair.split("-");
  const left = Math.min(WIDEST, 24 + CHARACTER * Math.max(...rows.map(({ cohort }) => cohort.length)));
  return chart(words.saysForest(arm, baseline, told.length, silent.length), () => ({
    height: AROUND + ROW * rows.length, marginLeft: left, marginRight: 16, marginBottom: 44,
    x: { label: words.axis(arm, baseline, state.scale), grid: true, nice: true, tickFormat: state.scale === "absolute" ? "+.2~f" : "+.0%" },
    y: { label: null, domain: rows.map(({ cohort }) => cohort), padding: 0.3 },
    marks: [
      Plot.ruleX([0], { stroke: "var(--edge)" }),
      Plot.ruleY(told, { y: "cohort", x1: "low", x2: "high", stroke: "var(--ink)", strokeWidth: 2 }),
      Plot.dot(told, {
        y: "cohort", x: "estimate", r: ({ listeners }) => 3 + Math.min(5, Math.sqrt(listeners) / 3), symbol: "square",
        fill: ({ low, high }) => (low > 0 ? "var(--good)" : high < 0 ? "var(--warn)" : "var(--soft)"),
      }),
      Plot.text(told, { y: "cohort", x: "high", text: ({ estimate }) => format(estimate), dx: 6, textAnchor: "start", fill: "currentColor" }),
      Plot.text(silent, { y: "cohort", x: 0, text: () => words.hidden, dx: 8, textAnchor: "start", fill: "var(--soft)" }),
    ],
  }));
}
