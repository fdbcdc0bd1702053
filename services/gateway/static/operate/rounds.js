// Training rounds, and asking for one.

import { h } from "../common/dom.js";
import { count, date, short } from "../common/format.js";
import { get, post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { shown } from "../common/states.js";
import { curve } from "./curve.js";
import { watched } from "./watched.js";

export function rounds() {
  const words = t.operate.rounds;
  const place = h("div", { "aria-live": "polite" });
  const said = h("p", { class: "state", role: "status" });
  const detail = h("div", { "aria-live": "polite", tabIndex: -1 });
  const seen = (round) => h("button", { type: "button", class: "link", "aria-label": words.curveOf(short(round.round_id)), onclick: () => shown(detail, () => curve(round)).then(() => detail.focus()) }, words.curve);
  const number = (text) => ({ text, number: true });
  watched(place, ["rounds"], () => get("/v1/rounds?limit=50"), (found) => table(words.list,
    [words.asked, words.round, words.state, number(words.listeners), number(words.versions), words.detail, words.curve],
    found.map((each) => [
      date(each.created_at), short(each.round_id), words.status[each.status], count(each.listeners), count(each.versions), each.detail, each.status === "requested" ? "" : seen(each),
    ]), { none: words.none }));
  const ask = (event) => act(async () => {
    const asked = await post("/v1/rounds", { listeners: [] });
    said.textContent = words.wished(short(asked.round_id));
  }, event.target);
  return h("div", {}, h("div", { class: "row" },
    h("button", { type: "button", class: "quiet small", onclick: ask }, words.ask), said), place, detail);
}
