// Releases, newest first: state, looks against the boundary, the reason, and what may be ordered.

import { h } from "../common/dom.js";
import { chance, count, date, decimal, percent, short } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { inGrafana } from "./grafana.js";
import { nearFrom, nearness } from "./near.js";
import { ordering } from "./orders.js";
import { versionsOf } from "./versions.js";
import { watched } from "./watched.js";

export const ORDERS = { canary: ["promote", "hold", "roll_back", "pause", "resume"], promoted: ["revert"], held: [], rolled_back: [], reverted: [] };

export function releases() {
  const place = h("div", { "aria-live": "polite" });
  const draw = (found) => found.length
    ? h("ol", { class: "plain timeline" }, found.map((release, index) => entry(release, index === 0)))
    : h("p", { class: "state empty" }, t.operate.releases.none);
  watched(place, ["releases"], () => get("/v1/releases?limit=50"), draw);
  return place;
}

function entry(release, isOpen) {
  const words = t.operate.releases;
  const last = release.decisions.at(-1);
  const body = h("div", { class: "details" });
  const details = h("details", { open: isOpen, ontoggle: () => details.open && !body.hasChildNodes() && body.append(...inside(release)) },
    h("summary", {},
      h("span", { class: "chip", "data-status": release.status }, words.status[release.status]),
      h("strong", {}, words.name(short(release.release_id))),
      release.paused ? h("span", { class: "chip", "data-status": "rolled_back" }, words.paused) : null,
      h("span", { class: "hint" }, words.since(date(release.started_at), count(release.joined), count(release.listeners))),
      release.watched ? h("span", { class: "hint" }, words.watched(count(release.watched))) : null,
      h("p", { class: "reason" }, last ? last.reason : words.noLook)),
    body);
  return h("li", { id: `release-${release.release_id}` }, details);
}

function inside(release) {
  const words = t.operate.releases;
  const looks = release.decisions.filter(({ inputs }) => typeof inputs.estimate === "number");
  const picture = h("div");
  if (looks.length) import("./looks.js").then(({ looksChart }) => picture.append(looksChart(looks)));
  const rows = release.decisions.map(({ look, verdict, reason, decided_at: at, inputs }) => [
    count(look), date(at), words.verdict[verdict], decimal(inputs.estimate), decimal(inputs.low), percent(inputs.fraction),
    inputs.by ? words.by(reason, inputs.by) : reason,
  ]);
  const number = (text) => ({ text, number: true });
  return [
    release.status === "canary" ? reached(release) : null,
    picture,
    release.guardrails.length ? near(release.guardrails) : null,
    table(words.decisions, [number(words.look), words.when, words.what, number(words.estimate), number(words.bound), number(words.information), words.why], rows, { none: words.noLook }),
    ...release.decisions.map((decision) => h("details", { class: "inputs" },
      h("summary", {}, words.followed(decision.look)), h("pre", { tabIndex: 0 }, JSON.stringify(decision.inputs, null, 2)))),
    lineage(release),
    ordering(ORDERS[release.status], { release_id: release.release_id }),
  ].filter(Boolean);
}

function reached({ joined, listeners, ends_by: end }) {
  const words = t.operate.releases;
  const says = [words.reached(count(joined), count(listeners)), end && words.endsBy(date(end))].filter(Boolean).join(" ");
  return h("div", {}, h("progress", { value: joined, max: Math.max(1, listeners), "aria-label": says }), h("p", { class: "hint" }, says));
}

const ALMOST = 0.9; // of the way to its bound

function near(guardrails) {
  const words = t.operate.guardrails;
  return h("section", {},
    h("h3", {}, words.title), h("p", { class: "hint" }, words.hint),
    h("ul", { class: "plain guardrails" }, guardrails.map((each) => {
      const says = each.p < 1 ? words.says(chance(each.p), chance(each.allowed)) : words.silent;
      return h("li", {},
        h("span", {}, words.name[each.name]),
        h("meter", { min: 0, max: 1, low: nearFrom(each), high: ALMOST, optimum: 0, value: nearness(each), "aria-label": `${words.name[each.name]}: ${says}` }),
        h("span", { class: "hint" }, says));
    })));
}

function lineage(release) {
  const words = t.operate.releases;
  const uplift = `../analyse/#release=${release.release_id}`;
  return h("p", { class: "hint" }, h("button", { type: "button", class: "link", onclick: () => versionsOf({ round_id: release.round_id }) }, words.round(short(release.round_id))), " ", h("a", { href: uplift }, words.analyse), " ",
    inGrafana("guardrails", { from: release.started_at, to: release.decided_at, release: release.release_id }));
}
