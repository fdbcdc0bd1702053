// A table with a caption, of rows that are lists of texts or elements.

import { h } from "./dom.js";
import { t } from "./strings.js";

// head: texts, or { text, number: true } where numbers stand below.
export function table(caption, head, rows, none = t.states.none) {
  const columns = head.map((column) => (typeof column === "string" ? { text: column } : column));
  const look = (index) => (columns[index].number ? "number" : null);
  const body = rows.length
    ? rows.map((row) => h("tr", {}, row.map((value, index) => h("td", { class: look(index) }, value))))
    : [h("tr", {}, h("td", { colSpan: head.length, class: "state" }, none))];
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(({ text }, index) => h("th", { scope: "col", class: look(index) }, text)))),
      h("tbody", {}, body)));
}
