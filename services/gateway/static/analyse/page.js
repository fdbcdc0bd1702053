// A picture with its numbers and its SQL as one HTML file that can be mailed: nothing in it is fetched.

import { date } from "../common/format.js";
import { language, t } from "../common/strings.js";

const COLOURS = ["--paper", "--ink", "--soft", "--line", "--edge", "--accent", "--good", "--warn"];
const STYLE = `body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
figure { margin: 0; } svg { max-width: 100%; height: auto; } figcaption, caption { color: var(--soft); text-align: left; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; } th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right; } pre { white-space: pre-wrap; }`;

// As a blob; picture: the part of the page that shows it.
export function pageOf(picture, answer) {
  const copy = picture.cloneNode(true);
  copy.querySelectorAll("button").forEach((each) => each.remove());
  copy.querySelectorAll("details").forEach((each) => (each.open = true));
  copy.querySelectorAll("[tabindex]").forEach((each) => each.removeAttribute("tabindex"));
  const now = getComputedStyle(document.documentElement);
  const colours = COLOURS.map((name) => `${name}: ${now.getPropertyValue(name)};`).join(" ");
  const title = t.analyse.pageTitle(answer, date(new Date()));
  return new Blob([`<!doctype html><html lang="${language}"><meta charset="utf-8"><title>${title}</title><style>:root { ${colours} } ${STYLE}</style><h1>${title}</h1>${copy.innerHTML}</html>`], { type: "text/html" });
}
