// Operate: what runs and what was decided.

import { fill, h } from "../common/dom.js";
import { count, date, short } from "../common/format.js";
import { get } from "../common/http.js";
import { room } from "../common/shell.js";
import { shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";

const number = (text) => ({ text, number: true });

async function releases() {
  const rows = (await get("/v1/releases?limit=50")).map((each) =>
    [date(each.started_at), short(each.release_id), t.releases.status[each.status], count(each.listeners), each.decisions.at(-1)?.reason ?? ""]);
  return table(t.releases.title, [t.releases.started, t.releases.release, t.releases.state, number(t.releases.listeners), t.releases.reason], rows, t.releases.none);
}

async function rounds() {
  const rows = (await get("/v1/rounds?limit=50")).map((each) =>
    [date(each.created_at), short(each.round_id), t.rounds.status[each.status], count(each.listeners), count(each.versions), each.detail]);
  return table(t.rounds.title, [t.rounds.asked, t.rounds.round, t.rounds.state, number(t.rounds.listeners), number(t.rounds.versions), t.rounds.detail], rows, t.rounds.none);
}

async function feedback() {
  const counts = await get("/v1/feedback");
  const rows = Object.entries(counts.lag).map(([topic, waiting]) => [topic, count(waiting)]);
  return [
    h("p", {}, t.feedback.sum(count(counts.folded), count(counts.dead_lettered))),
    table(t.feedback.title, [t.feedback.topic, number(t.feedback.waiting)], rows),
  ];
}

function begin(main) {
  const parts = [releases, rounds, feedback].map((load) => ({ load, place: h("section", { "aria-live": "polite" }) }));
  fill(main, parts.map(({ place }) => place));
  parts.forEach(({ place, load }) => shown(place, load));
}

room("operate", begin);
