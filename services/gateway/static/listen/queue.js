// What a station plays next, to be seen and to be left out; the two of a pair and the takes of a four stand as one.

import { fill, h } from "../common/dom.js";
import { t } from "../common/strings.js";

// `leaveOut(items)` is called for what is not wanted.
export class Queue {
  constructor(leaveOut) {
    this.leaveOut = leaveOut;
    this.says = h("summary", { class: "state next" });
    this.list = h("ol", {});
    this.element = h("details", { class: "queue" }, this.says, this.list);
  }

  // Shows this in the place of what it showed.
  show(says, items) {
    if (this.says.textContent !== says) this.says.textContent = says;
    const lines = wishes(items).map((wish) => ({ wish, title: titleOf(wish), state: stateOf(wish) }));
    const shown = JSON.stringify(lines.map(({ wish, title, state }) => [wish.map(({ track }) => track.track_id), title, state]));
    if (shown === this.shown) return;
    this.shown = shown;
    fill(this.list, lines.map((line) => this.line(line)));
  }

  line({ wish, title, state }) {
    const leave = () => this.leaveOut(wish);
    return h("li", {}, `${title}: ${state} `,
      h("button", { type: "button", class: "quiet small", onclick: leave }, t.station.leaveOut));
  }
}

// Pure: items in their order, those of one wish together.
function wishes(items) {
  return [...Map.groupBy(items, ({ track, pair, four }) => pair?.pair_id ?? four?.four_id ?? track.track_id).values()];
}

function titleOf([{ track, pair, four }]) {
  const title = track.prompt || t.track.surprise;
  if (pair) return t.station.pair(title);
  return four ? t.station.four(title) : title;
}

const stateOf = (wish) => (wish.every(({ track }) => track.status === "ready") ? t.station.ready : t.station.making);
