// A table with a caption, of rows that are lists of texts or elements. Of many rows it shows some, and more when asked to,
// so that a hundred thousand of them do not hold up the page.

import { h } from "./dom.js";
import { count } from "./format.js";
import { act } from "./shell.js";
import { t } from "./strings.js";

const AT_ONCE = 200;

// head: texts, or { text, number: true } where numbers stand below; none: what it says without rows; further, where there
// may be more rows elsewhere: asks for the next ones, and gives none when there are no more.
export function table(caption, head, given, { none = t.states.none, further = null } = {}) {
  const rows = [...given];
  const columns = head.map((column) => (typeof column === "string" ? { text: column } : column));
  const look = (index) => (columns[index].number ? "number" : null);
  const line = (row) => h("tr", {}, row.map((value, index) => h("td", { class: look(index) }, value)));
  const body = h("tbody");
  const more = h("button", { type: "button", class: "quiet small" });
  const show = () => {
    body.append(...rows.slice(body.rows.length, body.rows.length + AT_ONCE).map(line));
    const left = rows.length - body.rows.length;
    more.hidden = left <= 0 && !further;
    more.textContent = left ? t.states.more(count(left)) : t.states.further;
    if (more.hidden && document.activeElement === more) region.focus();
  };
  more.onclick = () => act(async () => {
    if (further && rows.length === body.rows.length) {
      const next = await further();
      rows.push(...next);
      if (!next.length) further = null;
    }
    show();
  }, more);
  const region = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(({ text }, index) => h("th", { scope: "col", class: look(index) }, text)))), body),
    more);
  show();
  if (!rows.length) body.append(h("tr", {}, h("td", { colSpan: head.length, class: "state" }, none)));
  if (!rows.length) more.hidden = true;
  return region;
}
