// What changes is told by the gateway, and the parts that it names are asked for anew. Where that stream is lost, the room
// says so and asks for all of them again and again, until it is back.

import { h } from "../common/dom.js";
import { time } from "../common/format.js";
import { leftFor } from "../common/shell.js";
import { followed } from "../common/stream.js";
import { t } from "../common/strings.js";

const EVERY_MS = 10_000;

const hearers = new Set();

// Calls `hear(parts)` when some change: a set of names, or null for all.
export const onChange = (hear) => {
  hearers.add(hear);
  return () => hearers.delete(hear);
};

const tell = (parts) => hearers.forEach((hear) => hear(parts));

// The line that says whether the room is live. It holds the stream while it is in a page that is looked at: a browser
// opens few connections to one gateway, and a tab that nobody looks at needs none.
export function live() {
  const words = t.operate.live;
  const line = h("p", { id: "live", role: "status", class: "hint" });
  let closing = null;
  let asking = null;
  const say = (state, text) => {
    if (line.dataset.state === state) return;
    line.dataset.state = state;
    line.textContent = text;
  };
  const arrived = (event, { parts }) => {
    clearInterval(asking);
    asking = null;
    if (!line.isConnected) return true;
    say("live", words.live);
    tell(new Set(parts));
    return false;
  };
  const broke = (error) => {
    if (!error) return; // it ended in order
    say("lost", words.lost(time(new Date()), error.message));
    asking ??= setInterval(() => tell(null), EVERY_MS);
  };
  const open = () => {
    closing = new AbortController();
    say("connecting", words.connecting);
    followed("/v1/operate/events", arrived, broke, { signal: closing.signal }).catch((error) => {
      if (error.name !== "AbortError" && !leftFor(error)) broke(error);
    });
  };
  const close = () => {
    closing?.abort();
    clearInterval(asking);
    asking = null;
  };
  const look = () => {
    close();
    if (!line.isConnected) removeEventListener("visibilitychange", look, true);
    else if (!document.hidden) open();
  };
  addEventListener("visibilitychange", look, true);
  queueMicrotask(look); // once it is in the page
  return line;
}
