// Orders to the rollout: given with a reason, and the record of who ordered what.

import { h } from "../common/dom.js";
import { count, date, short } from "../common/format.js";
import { get, post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { watched } from "./watched.js";

// A reason, which everything that an operator does carries: `fields`, and `signed()` to read it. Who it is the token tells.
export function signature(id) {
  const reason = h("input", { id: `${id}-reason`, required: true, maxLength: 500, autocomplete: "off" });
  const fields = h("div", {}, h("label", { for: reason.id }, t.operate.orders.reason), reason);
  return { fields, signed: () => ({ reason: reason.value.trim() }) };
}

// A form of these actions about one thing, or null when there are none; `version` is the field of the one that is pinned.
export function ordering(actions, about = {}, version = null) {
  if (!actions.length) return null;
  const words = t.operate.orders;
  const { fields, signed } = signature(`order-${Object.values(about)[0] ?? "all"}`);
  const said = h("p", { class: "state", role: "status" });
  const order = (event) => {
    event.preventDefault();
    act(async () => {
      const action = event.submitter.value;
      const which = action === "pin" ? { version: Number(version.value) } : {};
      const given = await post("/v1/orders", { action, ...about, ...which, ...signed() });
      said.textContent = words.given(words.action[given.action]);
    }, event.submitter);
  };
  return h("form", { class: "order", onsubmit: order },
    version && h("div", {}, h("label", { for: version.id }, words.version), version), fields,
    h("div", { class: "row" }, actions.map((action) => h("button", { class: "quiet small", value: action }, words.action[action]))), said);
}

export function orders() {
  const words = t.operate.orders;
  const place = h("div", { "aria-live": "polite" });
  watched(place, ["orders"], () => get("/v1/orders?limit=50"), (found) => table(words.list,
    [words.when, words.who, words.what, words.about, words.reason, words.answer],
    found.map((each) => [
      date(each.ordered_at), each.by, words.action[each.action], about(each), each.reason,
      each.status === "waiting" ? words.waiting : `${words.status[each.status]} ${each.says}`,
    ]), { none: words.none }));
  return h("div", {}, ordering(["stop", "start"]), place);
}

function about({ release_id: release, listener_id: listener, version }) {
  const words = t.operate.orders;
  if (release) return words.ofRelease(short(release));
  if (version) return words.ofVersion(count(version), short(listener));
  return listener ? words.ofListener(short(listener)) : words.ofAll;
}
