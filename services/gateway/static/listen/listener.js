// Who listens in this browser: one of those that were here before, or someone new.

import { fill, h } from "../common/dom.js";
import { short } from "../common/format.js";
import { get, post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";

const KNOWN = "encore-listeners";
const MOST = 20;

const known = () => JSON.parse(localStorage.getItem(KNOWN) ?? "[]");
const keep = (ids) => localStorage.setItem(KNOWN, JSON.stringify(ids.slice(0, MOST)));
const fetched = (id) => get(`/v1/listeners/${id}`);

// onChosen(listener) is called whenever another one listens. `begin` brings back who was here last.
export function choosing(onChosen) {
  const place = h("div");
  let present = null;
  const become = (listener) => {
    present = listener;
    keep([listener.listener_id, ...known().filter((other) => other !== listener.listener_id)]);
    fill(place, chooser(listener, (id) => act(async () => become(await fetched(id))), offerNew));
    onChosen(listener);
  };
  const offerNew = () => {
    fill(place, newcomer(become, present && (() => become(present))));
    place.querySelector("input").focus();
  };
  const begin = async () => {
    for (const id of known()) {
      try {
        return become(await fetched(id));
      } catch (error) {
        if (error.code !== "unknown_listener") throw error;
        keep(known().filter((other) => other !== id));
      }
    }
    offerNew();
  };
  const element = h("section", { class: "who", "aria-labelledby": "listener-title" },
    h("h2", { id: "listener-title" }, t.listener.title), place);
  return { element, begin };
}

function chooser(listener, choose, offerNew) {
  const select = h("select", { id: "known", onchange: () => choose(select.value) },
    known().map((id) => new Option(short(id), id)));
  const cohorts = Object.entries(listener.attributes).map(([key, value]) => `${key}=${value}`);
  return h("form", {},
    h("label", { for: "known" }, t.listener.known),
    h("div", { class: "row" }, select, h("button", { type: "button", class: "quiet", onclick: offerNew }, t.listener.other)),
    h("p", { class: "hint" }, cohorts.length ? t.listener.cohorts(cohorts.join(", ")) : t.listener.noCohort));
}

function newcomer(become, back) {
  const home = h("input", { id: "home", list: "homes", maxLength: 64, placeholder: t.listener.homeExample, autocomplete: "off" });
  const more = h("input", { id: "more", autocomplete: "off" });
  const create = (event) => {
    event.preventDefault();
    act(async () => become(await post("/v1/listeners", { attributes: attributes(home.value, more.value) })), event.submitter);
  };
  return h("form", { onsubmit: create },
    h("label", { for: "home" }, t.listener.home),
    h("div", { class: "row" }, home,
      h("datalist", { id: "homes" }, t.listener.homes.map((value) => h("option", { value }))),
      h("button", {}, t.listener.start),
      back && h("button", { type: "button", class: "quiet", onclick: back }, t.listener.back)),
    h("label", { for: "more" }, t.listener.more, h("span", { class: "hint" }, ` ${t.listener.moreHint}`)), more);
}

function attributes(home, more) {
  const given = home.trim() ? { home: home.trim() } : {};
  for (const part of more.split(",").filter((text) => text.trim())) {
    const [key, value] = part.split("=").map((text) => text.trim());
    given[key] = value ?? "";
  }
  return given;
}
