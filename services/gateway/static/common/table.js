// A table with a caption, of rows that are lists of texts or elements. Of many rows it shows some, and more when asked to,
// so that a hundred thousand of them do not hold up the page.

import { h } from "./dom.js";
import { count } from "./format.js";
import { t } from "./strings.js";

const AT_ONCE = 200;

// head: texts, or { text, number: true } where numbers stand below; none: what it says without rows.
export function table(caption, head, rows, none = t.states.none) {
  const columns = head.map((column) => (typeof column === "string" ? { text: column } : column));
  const look = (index) => (columns[index].number ? "number" : null);
  const line = (row) => h("tr", {}, row.map((value, index) => h("td", { class: look(index) }, value)));
  const body = h("tbody");
  const more = h("button", { type: "button", class: "quiet small" });
  const showMore = () => {
    body.append(...rows.slice(body.rows.length, body.rows.length + AT_ONCE).map(line));
    const left = rows.length - body.rows.length;
    more.hidden = left <= 0;
    more.textContent = t.states.more(count(left));
  };
  more.onclick = showMore;
  showMore();
  if (!rows.length) body.append(h("tr", {}, h("td", { colSpan: head.length, class: "state" }, none)));
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(({ text }, index) => h("th", { scope: "col", class: look(index) }, text)))), body),
    more);
}
