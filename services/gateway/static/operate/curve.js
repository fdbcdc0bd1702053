// The curve of a round: the mean loss of each step.

import { h } from "../common/dom.js";
import { count, decimal, short } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { inGrafana } from "./grafana.js";
import { versionsOf } from "./versions.js";

const HEIGHT = 220;

export async function curve({ round_id: roundId, created_at: from, finished_at: to }) {
  const words = t.operate.rounds;
  const { losses, mlflow_url: url } = await get(`/v1/rounds/${roundId}/curve`);
  return [
    h("h3", {}, words.curveOf(short(roundId))),
    losses.length ? await drawn(losses) : h("p", { class: "state empty" }, words.noCurve),
    h("div", { class: "row" },
      h("button", { type: "button", class: "quiet small", onclick: () => versionsOf({ round_id: roundId }) }, words.versionsOf),
      inGrafana("round", { from, to }),
      url ? h("a", { href: url, target: "_blank", rel: "noopener" }, words.mlflow) : null),
  ];
}

async function drawn(losses) {
  const words = t.operate.rounds;
  const { chart, Plot } = await import("../common/plot.js");
  const steps = losses.map((loss, step) => ({ step: step + 1, loss }));
  return chart(words.saysCurve(count(losses.length), decimal(losses[0]), decimal(losses.at(-1))), () => ({
    height: HEIGHT, marginLeft: 48, marginBottom: 40,
    x: { label: words.step, interval: 1 }, y: { label: words.loss, grid: true, nice: true },
    marks: [Plot.line(steps, { x: "step", y: "loss", stroke: "var(--accent)", strokeWidth: 2 })],
  }));
}
