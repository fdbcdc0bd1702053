// The numbers behind a picture: in words, as a table, as a file, and the SQL that gives them.

import { h } from "../common/dom.js";
import { count, date, percent, signed } from "../common/format.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { asTable, commands, csv, sqlOf } from "./numbers.js";
import { pageOf } from "./page.js";
import { formats } from "./units.js";

export function dataOf(rows, answer, state) {
  const words = t.analyse;
  return h("div", { class: "data" },
    h("p", {}, words.interval[answer.interval], " ", answer.as_of ? words.asOf(date(answer.as_of), answer.complete) : words.noDate),
    answer.heterogeneity && told(answer.heterogeneity),
    numbers(rows, answer, state),
    h("div", { class: "row" },
      h("button", { type: "button", class: "quiet small", onclick: () => download(csv(asTable(answer)), "text/csv", `encore-uplift-${answer.metric}.csv`) }, words.csv),
      h("button", { type: "button", class: "quiet small", onclick: (event) => download(pageOf(event.target.closest("section"), answer), "text/html", `encore-uplift-${answer.metric}.html`) }, words.page),
      h("button", { type: "button", class: "quiet small", onclick: (event) => copyLink(event.target) }, words.link)),
    h("details", {}, h("summary", {}, words.sql), h("pre", { tabIndex: 0 }, sqlOf(state))),
    h("details", { class: "commands" }, h("summary", {}, words.commands), h("pre", { tabIndex: 0 }, commands(state))));
}

const told = ({ tau, i_squared: share, q, freedom }) =>
  h("p", {}, t.analyse.heterogeneity(q.toFixed(1), freedom, percent(share), signed(tau)));

function numbers(rows, answer, state) {
  const words = t.analyse;
  const { say } = formats(state, answer.unit);
  const number = (text) => ({ text, number: true });
  const isOverTime = answer.per !== "whole";
  return table(words.numbers,
    [words.cell, ...(isOverTime ? [words.day] : []), number(words.estimate), words.between, number(words.shrunken),
      number(words.corrected), number(words.detectable), number(words.listeners), number(words.observations)],
    rows.map(({ name, cell, estimate, low, high, shrunken, mde }) => [
      name || words.everyone, ...(isOverTime ? [cell.day] : []), say(estimate),
      low === null ? (cell.hidden ? words.hidden : words.noInterval) : words.range(say(low), say(high)),
      say(shrunken), cell.p_holm === null ? "–" : cell.p_holm.toPrecision(2), say(mde), count(cell.listeners), count(cell.observations),
    ]), { none: words.none });
}

function download(text, type, name) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

async function copyLink(button) {
  await navigator.clipboard.writeText(location.href);
  button.textContent = t.analyse.copied;
}
