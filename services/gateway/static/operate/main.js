// Operate: what needs someone now, releases and their sides to hear, switches, rounds, versions, the engine, and who did what.

import { fill, h } from "../common/dom.js";
import { room } from "../common/shell.js";
import { t } from "../common/strings.js";
import { audit } from "./audit.js";
import { comparing } from "./compare.js";
import { engine } from "./engine.js";
import { feedback } from "./feedback.js";
import { live } from "./live.js";
import { now } from "./now.js";
import { orders } from "./orders.js";
import { goTo } from "./places.js";
import { refusals } from "./refusals.js";
import { releases } from "./releases.js";
import { rounds } from "./rounds.js";
import { switches } from "./switches.js";
import { versions } from "./versions.js";

const PARTS = { now, releases, compare: comparing, switches, orders, rounds, versions, engine, feedback, refusals, audit };

function begin(main) {
  const parts = Object.entries(PARTS).map(([name, part]) =>
    h("section", { id: name, "aria-labelledby": `${name}-title` },
      h("h2", { id: `${name}-title` }, t.operate[name].title), part()));
  const places = h("nav", { class: "places", "aria-label": t.operate.places }, Object.keys(PARTS).map((name) =>
    h("button", { type: "button", class: "quiet small", onclick: () => goTo(name) }, t.operate[name].title)));
  fill(main, live(), places, parts);
}

room("operate", begin);
