// What needs someone now, the most pressing first; each with what to do about it.

import { h } from "../common/dom.js";
import { chance, count, date, short } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { isNear } from "./near.js";
import { goTo } from "./places.js";
import { watched } from "./watched.js";

const HOUR_MS = 3_600_000;
const WAITS_LONG_MS = HOUR_MS / 4;
const RUNS_LONG_MS = 2 * HOUR_MS;
const RECENT_MS = 48 * HOUR_MS;
const MUCH_WAITING = 1000; // events
const BATCHES_WAITING = 4; // so many full batches in line
const MANY_REFUSED = 20; // requests within an hour, with the same status
const ASKED = {
  releases: "/v1/releases?limit=20", rounds: "/v1/rounds?limit=20", feedback: "/v1/feedback",
  switches: "/v1/switches?thrown=true", orders: "/v1/orders?limit=20",
  engine: "/v1/engine", refusals: "/v1/refusals",
};
const NOTHING = { releases: [], rounds: [], feedback: { lag: {}, dead_lettered: 0 }, switches: [], orders: [], engine: {}, refusals: [] };

export function now() {
  const place = h("div", { "aria-live": "polite" });
  const answers = {};
  const load = async (names) => {
    await Promise.all([...names].map(async (name) => ([answers[name]] = await Promise.allSettled([get(ASKED[name])]))));
    const parts = Object.entries(answers);
    const unread = parts.filter(([, { reason }]) => reason).map(([name, { reason }]) =>
      ({ kind: "unseen", says: t.operate.now.unseen(t.operate[name].title, reason.message), where: name }));
    const seen = Object.fromEntries(parts.filter(([, { value }]) => value).map(([name, { value }]) => [name, value]));
    return [...unread, ...needs({ ...NOTHING, ...seen })];
  };
  watched(place, Object.keys(ASKED), load, (found) => found.length
    ? h("ul", { class: "plain needs" }, found.map(({ kind, says, where }) =>
      h("li", { "data-kind": kind },
        h("span", {}, h("strong", {}, t.operate.now.kind[kind]), ` ${says}`),
        h("a", { href: `#${where}`, onclick: (event) => { event.preventDefault(); goTo(where); } }, t.operate.now.look))))
    : h("p", { class: "state calm" }, t.operate.now.calm));
  return place;
}

// Pure: what of all this needs someone, the most pressing first.
export function needs({ releases, rounds, feedback, switches, orders, engine, refusals }, time = Date.now()) {
  const age = (iso) => time - new Date(iso).getTime();
  const words = t.operate.now;
  const found = [];
  const add = (kind, says, where) => found.push({ kind, says, where });
  for (const each of switches) add("switch", words.switch(t.operate.switches.whom(each), each.reason), "switches");
  for (const each of rounds) {
    if (each.status === "failed" && age(each.created_at) < RECENT_MS) add("failed", words.failed(short(each.round_id), each.detail), "rounds");
    if (each.status === "requested" && age(each.created_at) > WAITS_LONG_MS) add("stuck", words.waits(short(each.round_id), date(each.created_at)), "rounds");
    if (each.status === "running" && age(each.created_at) > RUNS_LONG_MS) add("stuck", words.runs(short(each.round_id), date(each.created_at)), "rounds");
  }
  for (const each of orders) if (each.status === "refused" && age(each.ordered_at) < RECENT_MS) add("refused", words.refused(each.action, each.says), "orders");
  const waiting = Object.values(feedback.lag).reduce((sum, lag) => sum + lag, 0);
  if (waiting > MUCH_WAITING) add("lag", words.lag(count(waiting)), "feedback");
  if (feedback.dead_lettered > 0) add("unread", words.unread(count(feedback.dead_lettered)), "feedback");
  if (engine.replicas?.length === 0) add("engine", words.noReplica, "engine");
  for (const each of engine.replicas ?? []) {
    if (each.waiting > BATCHES_WAITING * each.most_rows) add("engine", words.queue(each.replica, count(each.waiting)), "engine");
  }
  for (const [status, alike] of Map.groupBy(refusals, (each) => each.status)) {
    const sum = alike.reduce((all, each) => all + each.last_hour, 0);
    if (sum >= MANY_REFUSED) add("refusals", words.refusals(count(sum), t.operate.refusals.why[status]), "refusals");
  }
  for (const each of rounds) {
    if (each.status === "trained" && each.versions && !each.release_id) add("due", words.due(short(each.round_id), count(each.versions), date(each.finished_at)), "rounds");
  }
  for (const each of releases) {
    const at = `release-${each.release_id}`;
    if (each.status === "canary" || each.watched) {
      for (const { name, p, allowed } of each.guardrails.filter(isNear)) {
        add("near", words.near(short(each.release_id), t.operate.guardrails.name[name], chance(p), chance(allowed)), at);
      }
    }
    const last = each.decisions.at(-1);
    if (["rolled_back", "reverted"].includes(each.status) && age(last?.decided_at) < RECENT_MS) add(each.status, words.ended(short(each.release_id), last?.reason ?? ""), at);
    if (each.paused) add("paused", words.paused(short(each.release_id)), at);
    else if (each.ends_by && age(each.ends_by) > 0) add("due", words.overdue(short(each.release_id), date(each.ends_by)), at);
    if (each.status === "canary") add("canary", last ? words.canary(short(each.release_id), last.look, last.reason) : words.young(short(each.release_id)), at);
  }
  return found;
}
