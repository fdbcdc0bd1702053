// Charts as SVG, drawn by Observable Plot in the page's own colours.

import "../vendor/d3/d3.min.js";
import "../vendor/plot/plot.umd.min.js";
import { h } from "./dom.js";

export const { Plot } = globalThis;

const NARROWEST = 300;

// A figure of a chart: what it shows in words stands below it. The chart is as wide as its place, and drawn again when
// that changes. draw(width) gives the options of Plot.plot.
export function chart(says, draw) {
  const place = h("div", { class: "chart", role: "img", "aria-label": says });
  const paint = () => {
    const width = Math.max(NARROWEST, Math.floor(place.clientWidth));
    const picture = Plot.plot({ width, style: { background: "none", fontSize: "13px", fontFamily: "inherit", overflow: "visible" }, ...draw(width) });
    picture.setAttribute("aria-hidden", "true");
    place.replaceChildren(picture);
  };
  let known = 0;
  new ResizeObserver(() => {
    if (Math.abs(place.clientWidth - known) < 2) return;
    known = place.clientWidth;
    paint();
  }).observe(place);
  return h("figure", {}, place, h("figcaption", {}, says));
}
