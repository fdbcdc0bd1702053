// What one version learned from: each song and rated track, with its weight; each leads to all versions that learned from it.

import { h } from "../common/dom.js";
import { count, date, decimal, percent, short } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";

const PAGE = 200;

// versionsOf is called with { learned_from } when somebody asks who else learned from one of them.
export async function lesson({ listener_id: listener, version, round_id: round }, versionsOf) {
  const words = t.operate.versions;
  let offset = 0;
  const page = async () => {
    const asked = new URLSearchParams({ listener_id: listener, limit: PAGE, offset });
    const found = await get(`/v1/rounds/${round}/sources?${asked}`);
    offset += found.sources.length;
    return found;
  };
  const rows = ({ sources }) => sources.map((source) => row(source, versionsOf));
  const first = await page();
  const number = (text) => ({ text, number: true });
  return [
    h("h3", {}, words.sourcesOf(version, short(listener))),
    h("p", { class: "hint" }, words.says(count(first.total), first.started_from, first.snapshot_sha256.slice(0, 12))),
    table(words.sources,
      [words.kind, words.which, words.words, number(words.stars), number(words.heard), words.when, number(words.weight), words.direction],
      rows(first), { further: offset < first.total ? async () => rows(await page()) : null }),
  ];
}

function row(source, versionsOf) {
  const words = t.operate.versions;
  const back = words.back(short(source.source_id));
  return [
    words.kinds[source.kind],
    h("button", { type: "button", class: "link", title: back, "aria-label": back, onclick: () => versionsOf({ learned_from: source.source_id }) }, short(source.source_id)),
    source.prompt ?? "", count(source.stars), percent(source.heard), date(source.at), decimal(source.weight), direction(source.target),
  ];
}

function direction(target) {
  const words = t.operate.versions;
  if (target === null) return words.passed;
  return target > 0.5 ? words.towards : target < 0.5 ? words.away : words.neither;
}
