// How the listener's own ratings moved over the last weeks: each of them, and the mean of each week.

import { h } from "../common/dom.js";
import { decimal } from "../common/format.js";
import { get } from "../common/http.js";
import { empty, shown } from "../common/states.js";
import { t } from "../common/strings.js";

const WEEK_MS = 7 * 86_400_000;
const WEEKS = 12;
const HEIGHT = 180;

export function ratingsOverTime(listener) {
  const place = h("div", { "aria-live": "polite" });
  const load = async () => {
    const since = Date.now() - WEEKS * WEEK_MS;
    const given = (await get(`/v1/listeners/${listener.listener_id}/ratings`))
      .map(({ stars, rated_at: at }) => ({ stars, at: new Date(at) })).filter(({ at }) => at >= since);
    return given.length ? drawn(given) : empty(t.past.none);
  };
  const details = h("details", { ontoggle: () => details.open && shown(place, load) },
    h("summary", {}, h("h2", { id: "past-title" }, t.past.title)), place);
  return h("section", { "aria-labelledby": "past-title" }, details);
}

// The weeks of some ratings, the oldest first: { at: the middle of the week, mean, count }.
export function weekly(given) {
  const weeks = Map.groupBy(given, ({ at }) => Math.floor(at / WEEK_MS));
  return [...weeks].sort(([a], [b]) => a - b).map(([week, ratings]) => ({
    at: new Date((week + 0.5) * WEEK_MS), count: ratings.length,
    mean: ratings.reduce((sum, { stars }) => sum + stars, 0) / ratings.length,
  }));
}

async function drawn(given) {
  const { chart, Plot } = await import("../common/plot.js");
  const weeks = weekly(given);
  const says = t.past.says(given.length, weeks.length, decimal(weeks[0].mean), decimal(weeks.at(-1).mean));
  return chart(says, () => ({
    height: HEIGHT, marginBottom: 36,
    x: { type: "time", label: null }, y: { label: t.past.stars, domain: [0.6, 5.4], ticks: [1, 2, 3, 4, 5], tickFormat: "d", grid: true },
    marks: [
      Plot.dot(given, { x: "at", y: "stars", fill: "var(--star)", fillOpacity: 0.5, r: 4 }),
      Plot.line(weeks, { x: "at", y: "mean", stroke: "var(--accent)", strokeWidth: 2 }),
      Plot.dot(weeks, { x: "at", y: "mean", fill: "var(--accent)", r: 4 }),
    ],
  }));
}
