// The numbers behind a picture: in words, as a table, as a file, and the SQL that gives them.

import { h } from "../common/dom.js";
import { count, date, percent, signed } from "../common/format.js";
import { blob } from "../common/http.js";
import { save } from "../common/save.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { files, sqlOf } from "./numbers.js";
import { pageOf } from "./page.js";
import { formats } from "./units.js";

export function dataOf(rows, answer, state) {
  const words = t.analyse;
  return h("div", { class: "data" },
    h("p", {}, words.interval[answer.interval], " ", answer.as_of ? words.asOf(date(answer.as_of), answer.complete) : words.noDate),
    answer.heterogeneity && told(answer.heterogeneity),
    numbers(rows, answer, state),
    h("div", { class: "row" },
      files(state).map(fileOf),
      h("button", { type: "button", class: "quiet small", onclick: ({ target }) => save(pageOf(target.closest("section"), answer), `encore-uplift-${answer.metric}.html`) }, words.page),
      h("button", { type: "button", class: "quiet small", onclick: (event) => copyLink(event.target) }, words.link)),
    h("details", {}, h("summary", {}, words.sql), h("pre", { tabIndex: 0 }, sqlOf(state))));
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

function fileOf({ address, name, label }) {
  const take = async () => save(await blob(address), name);
  return h("button", { type: "button", class: "quiet small", onclick: ({ target }) => act(take, target) }, t.analyse[label]);
}

async function copyLink(button) {
  await navigator.clipboard.writeText(location.href);
  button.textContent = t.analyse.copied;
}
