// Who listens in this tab, and what somebody new says of themselves.

import { fill, h } from "../common/dom.js";
import { t } from "../common/strings.js";

// Who it is, by their cohorts.
export function presented(listener) {
  const cohorts = Object.entries(listener.attributes).map(([key, value]) => `${key}=${value}`);
  return h("section", { class: "who", "aria-labelledby": "listener-title" },
    h("h2", { id: "listener-title" }, t.listener.title),
    h("p", { class: "hint" }, cohorts.length ? t.listener.cohorts(cohorts.join(", ")) : t.listener.noCohort));
}

// Asks somebody new; `enter(attributes)` is called with what they say.
export function welcome(main, enter) {
  const home = h("input", { id: "home", list: "homes", maxLength: 64, placeholder: t.listener.homeExample, autocomplete: "off" });
  const more = h("input", { id: "more", autocomplete: "off" });
  const create = (event) => {
    event.preventDefault();
    enter(attributes(home.value, more.value));
  };
  fill(main, h("section", { class: "who", "aria-labelledby": "listener-title" },
    h("h2", { id: "listener-title" }, t.listener.title),
    h("form", { onsubmit: create },
      h("label", { for: "home" }, t.listener.home),
      h("div", { class: "row" }, home,
        h("datalist", { id: "homes" }, t.listener.homes.map((value) => h("option", { value }))),
        h("button", {}, t.listener.start)),
      h("label", { for: "more" }, t.listener.more, h("span", { class: "hint" }, ` ${t.listener.moreHint}`)), more)));
  home.focus();
}

function attributes(home, more) {
  const given = home.trim() ? { home: home.trim() } : {};
  for (const part of more.split(",").filter((text) => text.trim())) {
    const [key, value] = part.split("=").map((text) => text.trim());
    given[key] = value ?? "";
  }
  return given;
}
