// The engine's replicas as they are now: batch, queue, and adapters in memory.

import { h } from "../common/dom.js";
import { count } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { inGrafana } from "./grafana.js";
import { watched } from "./watched.js";

export function engine() {
  const words = t.operate.engine;
  const place = h("div", { "aria-live": "polite" });
  const number = (text) => ({ text, number: true });
  watched(place, ["engine"], () => get("/v1/engine"), ({ replicas }) => table(words.replicas,
    [words.replica, number(words.rows), number(words.waiting), number(words.step), number(words.adapters), number(words.held)],
    replicas.map((each) => [
      h("span", { class: "row" }, each.replica, inGrafana("queue", { replica: each.replica })), words.of(count(each.rows), count(each.most_rows)), count(each.waiting),
      words.milliseconds(Math.round(each.step_seconds * 1000)),
      words.of(count(each.adapters.resident), count(each.adapters.slots)), count(each.adapters.pinned),
    ]), { none: words.none }));
  return place;
}
