// What was refused within a day: who came without a valid token, without the right, or for more than they may have.

import { h } from "../common/dom.js";
import { count, date } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { inGrafana } from "./grafana.js";
import { watched } from "./watched.js";

export function refusals() {
  const words = t.operate.refusals;
  const place = h("div", { "aria-live": "polite" });
  const number = (text) => ({ text, number: true });
  watched(place, ["refusals"], () => get("/v1/refusals"), (found) => table(words.list,
    [words.status, words.code, number(words.hour), number(words.day), words.last],
    found.map((each) => [`${each.status}: ${words.why[each.status]}`, each.code, count(each.last_hour), count(each.last_day), date(each.last_at)]),
    { none: words.none }));
  return h("div", {}, place, inGrafana("refusals"));
}
