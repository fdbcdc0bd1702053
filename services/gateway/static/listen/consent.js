// Your data: what a listener agrees to, each for itself, and since when; and all of it to take away, or to have erased.

import { fill, h } from "../common/dom.js";
import { date } from "../common/format.js";
import { blob, get, put } from "../common/http.js";
import { save } from "../common/save.js";
import { act } from "../common/shell.js";
import { shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { erasing } from "./erase.js";

const PURPOSES = ["training", "analysis"];

// `onErased()` lets the room be left.
export function consent(listener, onErased) {
  const path = `/v1/listeners/${listener.listener_id}/consent`;
  const place = h("div", { id: "consent", "aria-live": "polite" });
  const say = (purpose, box) => act(async () => {
    const wanted = box.checked;
    box.checked = !wanted; // until it counts
    fill(place, drawn(await put(path, { [purpose]: wanted, text_version: t.consent.version })));
  }, box);
  const drawn = (state) => PURPOSES.map((purpose) => line(purpose, state, say));
  shown(place, async () => drawn(await get(path)));
  return h("section", { "aria-labelledby": "consent-title" },
    h("h2", { id: "consent-title" }, t.consent.title), h("p", { class: "hint" }, t.consent.hint), place, takeAway(listener), erasing(listener, onErased));
}

// The archive needs the token, so the page fetches it and hands it over as a file.
function takeAway(listener) {
  const id = listener.listener_id;
  const take = async () => save(await blob(`/v1/listeners/${id}/export`), `encore-${id}.zip`);
  return h("p", { class: "row" },
    h("button", { type: "button", class: "quiet", onclick: ({ target }) => act(take, target) }, t.consent.takeAway),
    h("span", { class: "hint" }, t.consent.takeAwayMeans));
}

function line(purpose, state, say) {
  const words = t.consent;
  const last = state.history.find((each) => each.purpose === purpose && each.said_by !== "process"); // a default is nobody's word
  const box = h("input", { type: "checkbox", id: `consent-${purpose}`, checked: state[purpose], "aria-describedby": `consent-${purpose}-says`, onchange: () => say(purpose, box) });
  return h("div", { class: "consent" },
    h("span", { class: "choice" }, box, h("label", { for: box.id }, words.purposes[purpose])),
    h("p", { class: "hint", id: `consent-${purpose}-says` }, words.means[purpose][state[purpose]], last ? ` ${words.since(date(last.said_at))}` : ""));
}
