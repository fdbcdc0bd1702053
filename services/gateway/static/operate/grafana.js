// The view of Grafana's dashboard that shows what is looked at here, where the platform says where Grafana is.

import { h } from "../common/dom.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";

const DASHBOARD = "encore";
export const PANELS = { refusals: 1, queue: 5, feedback: 7, round: 9, guardrails: 14 };

let known = null;

function page() {
  known ??= get("/v1/pages").then(({ grafana }) => grafana, (error) => {
    console.warn(error);
    return (known = null); // it is asked for again
  });
  return known;
}

// Of this panel, from one time (ISO; the last hours) to another (now), and the dashboard's variables. Pure.
export function address(grafana, panel, { from = null, to = null, ...variables } = {}) {
  const time = (iso, otherwise) => (iso ? new Date(iso).getTime() : otherwise);
  const chosen = Object.entries(variables).map(([name, value]) => [`var-${name}`, value]);
  const asked = new URLSearchParams([["viewPanel", PANELS[panel]], ["from", time(from, "now-6h")], ["to", time(to, "now")], ...chosen]);
  return `${grafana}/d/${DASHBOARD}?${asked}`;
}

// A link to it, or nothing where nobody said where Grafana is.
export function inGrafana(panel, looked) {
  const place = h("span");
  page().then((grafana) => grafana && place.append(
    h("a", { href: address(grafana, panel, looked), target: "_blank", rel: "noopener" }, t.operate.grafana)));
  return place;
}
