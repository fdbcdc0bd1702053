// Each look of a release: what listeners said in stars and votes, the bound that its error allows, and the line above which
// it promotes.

import { chart, Plot } from "../common/plot.js";
import { percent, signed } from "../common/format.js";
import { t } from "../common/strings.js";

const HEIGHT = 260;
const CAP = 0.012; // half the width of a bound's mark, of the planned comparisons
export const COLOURS = {
  promote: "var(--good)", confirm: "var(--good)", hold: "var(--soft)", roll_back: "var(--warn)", revert: "var(--warn)",
};

export function looksChart(decisions) {
  const looks = decisions.map(({ look, verdict, inputs }) => ({
    look, verdict, fraction: inputs.fraction, estimate: inputs.score ?? inputs.estimate, low: inputs.low,
  }));
  const last = looks.at(-1);
  const words = t.operate.looks;
  const says = words.says(looks.length, signed(last.estimate), last.low === null ? null : signed(last.low), percent(last.fraction));
  const bounded = looks.filter(({ low }) => typeof low === "number");
  return chart(says, () => ({
    height: HEIGHT, marginLeft: 48, marginBottom: 44,
    x: { label: words.information, domain: [0, Math.max(1, ...looks.map(({ fraction }) => fraction))], tickFormat: ".0%" },
    y: { label: words.difference, grid: true, nice: true },
    marks: [
      Plot.ruleY([0], { stroke: "var(--accent)", strokeDasharray: "5 4" }),
      Plot.ruleX(bounded, { x: "fraction", y1: "low", y2: "estimate", stroke: ({ verdict }) => COLOURS[verdict], strokeWidth: 3 }),
      Plot.ruleY(bounded, {
        x1: ({ fraction }) => fraction - CAP, x2: ({ fraction }) => fraction + CAP, y: "low", strokeWidth: 3,
        stroke: ({ verdict }) => COLOURS[verdict],
      }),
      Plot.line(looks, { x: "fraction", y: "estimate", stroke: "var(--edge)", strokeDasharray: "2 3" }),
      Plot.dot(looks, { x: "fraction", y: "estimate", r: 6, fill: ({ verdict }) => COLOURS[verdict] }),
      Plot.text(looks, { x: "fraction", y: "estimate", text: ({ look }) => words.look(look), dy: -14, fill: "currentColor" }),
      Plot.text([words.boundary], { frameAnchor: "left", y: 0, dx: 4, dy: 10, fill: "var(--accent)", stroke: "var(--paper)", strokeWidth: 4 }),
    ],
  }));
}
