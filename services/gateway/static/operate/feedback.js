// How far the events are, by topic.

import { h } from "../common/dom.js";
import { count } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { inGrafana } from "./grafana.js";
import { watched } from "./watched.js";

export function feedback() {
  const words = t.operate.feedback;
  const place = h("div", { "aria-live": "polite" });
  watched(place, ["feedback"], () => get("/v1/feedback"), ({ folded, dead_lettered: unread, lag }) => [
    h("p", {}, words.sum(count(folded), count(unread))),
    table(words.waits, [words.topic, { text: words.waiting, number: true }],
      Object.entries(lag).map(([topic, waiting]) => [topic, count(waiting)]), { none: words.none }),
  ]);
  return h("div", {}, place, inGrafana("feedback"));
}
