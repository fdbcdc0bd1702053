// What the three rooms share: the head with the way between them, signing in, notices, and being offline.

import { fill, focusLike, h } from "./dom.js";
import { enterBy } from "./http.js";
import { forgetToken, login, speakIn, token } from "./session.js";
import { sendWaiting } from "./outbox.js";
import { language, t } from "./strings.js";

const ROOMS = [["listen", "/"], ["operate", "/operate/"], ["analyse", "/analyse/"]];

let enterRoom = () => {};
let welcomeTo = null;
const notices = h("p", { id: "notice", class: "notice", role: "alert", hidden: true });
const offline = h("p", { id: "offline", class: "notice", role: "status", hidden: true });
const main = h("main", { id: "main", tabIndex: -1 });

export function notice(text) {
  notices.textContent = text ?? "";
  notices.hidden = !text;
}

// Runs what a control asks for; what goes wrong is told at the top of the page. Resolves to undefined then.
export async function act(work, control) {
  notice();
  const held = control && control === document.activeElement;
  const part = control?.closest("section");
  if (control) control.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!leftFor(error)) notice(error.message);
  } finally {
    if (control) control.disabled = false;
    if (held && document.activeElement === document.body) { // a disabled control loses it
      if (control.isConnected) control.focus();
      else if (part?.isConnected) focusLike(control, part);
    }
  }
}

// Who is not known, or no longer, is asked for a login; true then.
export function leftFor(error) {
  if (error.status !== 401) return false;
  const isAsked = !token() && main.querySelector("#enter");
  forgetToken();
  if (!isAsked) enterAsOneself();
  notice(error.message);
  return true;
}

// Builds the page of a room. `begin(main)` fills it once somebody has signed in; `welcome(main, enter)`, where there is
// one, asks somebody new who they are and calls `enter(attributes)`.
export function room(name, begin, welcome) {
  speakIn(name);
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
  welcomeTo = welcome;
  addEventListener("offline", online);
  addEventListener("online", online);
  addEventListener("hashchange", () => new URLSearchParams(location.hash.slice(1)).has("login") && show());
  online();
  show();
}

function online() {
  offline.textContent = t.rooms[document.body.dataset.room].offline;
  offline.hidden = navigator.onLine;
}

function show() {
  const given = login();
  const enter = (attributes) => act(async () => {
    await enterBy(given.code, attributes);
    enterAsOneself();
  });
  if (given?.isNew && welcomeTo) welcomeTo(main, enter);
  else if (given) enter();
  else enterAsOneself();
}

function enterAsOneself() {
  if (token()) {
    fill(main);
    sendWaiting();
    enterRoom();
  } else fill(main, enterForm()).querySelector("input").focus();
}

function enterForm() {
  const given = h("input", { id: "code", type: "password", autocomplete: "off", required: true });
  const enter = (event) => {
    event.preventDefault();
    act(async () => {
      await enterBy(given.value.trim());
      enterAsOneself();
    }, event.submitter);
  };
  return h("section", { id: "enter", "aria-labelledby": "enter-title" },
    h("h2", { id: "enter-title" }, t.enter.title),
    h("form", { onsubmit: enter },
      h("label", { for: "code" }, t.enter.code),
      h("div", { class: "row" }, given, h("button", {}, t.enter.enter)),
      h("p", { class: "hint" }, t.enter.hint)));
}
