// Everything of a listener goes, for good; and this browser forgets them at once.

import { h } from "../common/dom.js";
import { call } from "../common/http.js";
import { forgetToken } from "../common/session.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { askedTwice } from "../common/twice.js";
import { forgetRatings } from "./kept.js";

// `onErased()` lets the room be left.
export function erasing(listener, onErased) {
  const erase = (button) => act(async () => {
    await call("DELETE", `/v1/listeners/${listener.listener_id}`);
    onErased();
    forget(listener.listener_id);
  }, button);
  return h("p", { class: "row" }, askedTwice(t.erase, t.erase.what, erase));
}

function forget(listenerId) {
  for (const [key, value] of Object.entries(localStorage)) {
    if (key.includes(listenerId) || value.includes(listenerId)) localStorage.removeItem(key);
  }
  forgetRatings();
  forgetToken();
}

// What is left to see.
export function farewell() {
  return h("section", { "aria-labelledby": "erased-title" },
    h("h2", { id: "erased-title", tabIndex: -1 }, t.erase.done), h("p", {}, t.erase.doneMeans));
}
