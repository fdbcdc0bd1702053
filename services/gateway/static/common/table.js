// A table with a caption, of rows that are lists of texts or elements. Of many rows it shows some, and others when asked to;
// never so many at a time that laying them out would hold up the page.

import { h } from "./dom.js";
import { count } from "./format.js";
import { act } from "./shell.js";
import { t } from "./strings.js";

const AT_ONCE = 100;
const MOST = 200; // rows that stand in the page at a time

// head: texts, or { text, number: true } where numbers stand below; none: what it says without rows; further, where there
// may be more rows elsewhere: asks for the next ones, and gives none when there are no more.
export function table(caption, head, given, { none = t.states.none, further = null } = {}) {
  const rows = [...given];
  const columns = head.map((column) => (typeof column === "string" ? { text: column } : column));
  const look = (index) => (columns[index].number ? "number" : null);
  const line = (row) => h("tr", {}, row.map((value, index) => h("td", { class: look(index) }, value)));
  const body = h("tbody");
  let from = 0; // rows [from, to) stand in the page
  let to = 0;
  const later = h("button", { type: "button", class: "quiet small" });
  const earlier = h("button", { type: "button", class: "quiet small", onclick: () => back() }, t.states.earlier);
  const buttons = () => {
    const held = [earlier, later].find((each) => each === document.activeElement);
    earlier.hidden = from === 0;
    later.hidden = to === rows.length && !further;
    later.textContent = to < rows.length ? t.states.more(count(rows.length - to)) : t.states.further;
    if (held?.hidden) region.focus();
  };
  const on = () => {
    const until = Math.min(to + AT_ONCE, rows.length);
    body.append(...rows.slice(to, until).map(line));
    for (to = until; to - from > MOST; from += 1) body.firstElementChild.remove();
    buttons();
  };
  const back = () => {
    const since = Math.max(0, from - AT_ONCE);
    body.prepend(...rows.slice(since, from).map(line));
    for (from = since; to - from > MOST; to -= 1) body.lastElementChild.remove();
    buttons();
  };
  later.onclick = () => act(async () => {
    if (further && to === rows.length) {
      const next = await further();
      rows.push(...next);
      if (!next.length) further = null;
    }
    on();
  }, later);
  const region = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    earlier, h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(({ text }, index) => h("th", { scope: "col", class: look(index) }, text)))), body),
    later);
  on();
  if (!rows.length) body.append(h("tr", {}, h("td", { colSpan: head.length, class: "state" }, none)));
  if (!rows.length) later.hidden = true;
  return region;
}
