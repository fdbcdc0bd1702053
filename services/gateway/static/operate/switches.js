// The kill switch: one listener, a cohort or everyone hears only what the songs alone give, from the next track on.

import { h } from "../common/dom.js";
import { date } from "../common/format.js";
import { get, post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { signature } from "./orders.js";
import { watched } from "./watched.js";

export function switches() {
  const words = t.operate.switches;
  const place = h("div", { "aria-live": "polite" });
  watched(place, ["switches"], () => get("/v1/switches?limit=50"), (found) => found.length
    ? h("ul", { class: "plain" }, found.map(entry))
    : h("p", { class: "state empty" }, words.none));
  return h("div", {}, h("p", { class: "hint" }, words.hint), throwing(place), place);
}

function throwing(place) {
  const words = t.operate.switches;
  const { fields, signed } = signature("switch");
  const whom = h("select", { id: "switch-whom" }, ["listener_id", "cohort", "everyone"].map((kind) => new Option(words.kind[kind], kind)));
  const which = h("input", { id: "switch-which", autocomplete: "off", required: true, placeholder: words.example.listener_id });
  whom.onchange = () => {
    which.disabled = whom.value === "everyone";
    which.placeholder = words.example[whom.value];
  };
  const submit = (event) => {
    event.preventDefault();
    act(async () => {
      const named = whom.value === "everyone" ? true : which.value.trim();
      const thrown = await post("/v1/switches", { [whom.value]: named, ...signed() });
      place.querySelector(".empty")?.remove();
      place.prepend(h("ul", { class: "plain" }, entry(thrown)));
    }, event.submitter);
  };
  return h("form", { onsubmit: submit, class: "order" },
    h("div", { class: "pair-of-fields" },
      h("div", {}, h("label", { for: whom.id }, words.whomLabel), whom),
      h("div", {}, h("label", { for: which.id }, words.which), which)),
    fields, h("div", { class: "row" }, h("button", { class: "danger" }, words.throw)));
}

function entry(each) {
  const words = t.operate.switches;
  const line = h("li", { class: "switch", "data-thrown": each.lifted_at ? null : "" });
  const lift = (event) => act(async () => {
    const { reason } = each;
    const lifted = await post(`/v1/switches/${each.switch_id}/lift`, { reason: words.over(reason) });
    line.replaceWith(entry(lifted));
  }, event.target);
  line.append(
    h("span", { class: "chip", "data-status": each.lifted_at ? "held" : "rolled_back" }, each.lifted_at ? words.lifted : words.thrown),
    h("strong", {}, words.whom(each)),
    h("span", {}, each.reason),
    h("span", { class: "hint" }, words.who(each.thrown_by, date(each.thrown_at))),
    each.lifted_at
      ? h("span", { class: "hint" }, words.liftedBy(each.lifted_by, date(each.lifted_at), each.lifted_reason))
      : h("button", { type: "button", class: "quiet small", onclick: lift }, words.lift));
  return line;
}
