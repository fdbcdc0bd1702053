// What the three rooms share: the head with the way between them, signing in, notices, and being offline.

import { h, fill } from "./dom.js";
import { forgetToken, keepToken, token } from "./session.js";
import { sendWaiting } from "./outbox.js";
import { language, t } from "./strings.js";

const ROOMS = [["listen", "/"], ["operate", "/operate/"], ["analyse", "/analyse/"]];

let enterRoom = () => {};
const notices = h("p", { id: "notice", class: "notice", role: "alert", hidden: true });
const offline = h("p", { id: "offline", class: "notice", role: "status", hidden: true }, t.shell.offline);
const main = h("main", { id: "main", tabIndex: -1 });

export function notice(text) {
  notices.textContent = text ?? "";
  notices.hidden = !text;
}

// Runs what a control asks for; what goes wrong is told at the top of the page. Resolves to undefined then.
export async function act(work, control) {
  notice();
  if (control) control.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.status === 401) {
      forgetToken();
      show();
    }
    notice(error.message);
  } finally {
    if (control) control.disabled = false;
  }
}

// Builds the page of a room. `begin(main)` fills it once somebody has signed in.
export function room(name, begin) {
  document.documentElement.lang = language;
  document.title = t.shell.title(t.rooms[name].name);
  document.body.dataset.room = name;
  document.body.prepend(
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t.shell.skip),
    h("header", {},
      h("p", { class: "brand" }, t.shell.brand),
      h("nav", { "aria-label": t.shell.rooms }, ROOMS.map(([key, href]) =>
        h("a", { href, "aria-current": key === name ? "page" : null }, t.rooms[key].name))),
      h("h1", {}, t.rooms[name].title),
      h("p", { class: "lead" }, t.rooms[name].lead)),
    notices, offline, main);
  enterRoom = () => act(() => begin(main));
  addEventListener("offline", online);
  addEventListener("online", online);
  addEventListener("hashchange", () => new URLSearchParams(location.hash.slice(1)).has("token") && show());
  online();
  show();
}

function online() {
  offline.hidden = navigator.onLine;
}

function show() {
  if (token()) {
    fill(main);
    sendWaiting();
    enterRoom();
  } else fill(main, enterForm()).querySelector("input").focus();
}

function enterForm() {
  const given = h("input", { id: "token", type: "password", autocomplete: "off", required: true });
  const enter = (event) => {
    event.preventDefault();
    notice();
    keepToken(given.value.trim());
    show();
  };
  return h("section", { id: "enter", "aria-labelledby": "enter-title" },
    h("h2", { id: "enter-title" }, t.enter.title),
    h("form", { onsubmit: enter },
      h("label", { for: "token" }, t.enter.token),
      h("div", { class: "row" }, given, h("button", {}, t.enter.enter)),
      h("p", { class: "hint" }, t.enter.hint)));
}
