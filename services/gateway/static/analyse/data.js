// The numbers behind a picture: as a table, as CSV, and the SQL that gives them.

import { h } from "../common/dom.js";
import { count, percent, short, signed } from "../common/format.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { csv, detectable, heterogeneity, OUTSIDE } from "./numbers.js";

const COLUMNS = ["cohort", "release_id", "arm", "baseline", "estimate", "low", "high", "listeners", "ratings"];

export function dataOf(rows, state) {
  const words = t.analyse;
  const format = state.scale === "absolute" ? signed : percent;
  const number = (text) => ({ text, number: true });
  const spread = heterogeneity(rows);
  return h("div", { class: "data" },
    spread && state.picture === "forest" ? h("p", {}, words.heterogeneity(spread.q.toFixed(1), spread.free, percent(spread.share))) : null,
    table(words.numbers,
      [words.cohort, words.release, number(words.estimate), words.interval, number(words.detectable), number(words.listeners), number(words.ratings)],
      rows.map((row) => [
        row.cohort, row.release_id ? short(row.release_id) : words.outside, format(row.estimate),
        row.low === null ? words.hidden : words.between(format(row.low), format(row.high)), format(detectable(row)),
        count(row.listeners), count(row.ratings),
      ]), words.none),
    h("div", { class: "row" },
      h("button", { type: "button", class: "quiet small", onclick: () => download(rows, state) }, words.csv),
      h("button", { type: "button", class: "quiet small", onclick: (event) => copyLink(event.target) }, words.link)),
    h("details", {}, h("summary", {}, words.sql), h("pre", { tabIndex: 0 }, sqlOf(state))));
}

function download(rows, { picture }) {
  const text = csv(COLUMNS, rows.map((row) => COLUMNS.map((name) => row[name])));
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  h("a", { href: address, download: `encore-${picture}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

async function copyLink(button) {
  await navigator.clipboard.writeText(location.href);
  button.textContent = t.analyse.copied;
}

function sqlOf({ pair, release, by, picture }) {
  const [arm, baseline] = pair.split("-");
  const cohort = picture === "time" ? `cohort = '${by.includes("=") ? by : "all"}'` : by ? `(cohort = 'all' or cohort like '${by}=%')` : "true";
  const which = picture === "time" ? "release_id is not null" : release === OUTSIDE ? "release_id is null" : release ? `release_id = '${release}'` : "true";
  return `select ${COLUMNS.join(", ")}\nfrom analytics.uplift\nwhere (arm, baseline) = ('${arm}', '${baseline}')\n  and ${cohort}\n  and ${which}\norder by cohort;`;
}
