// A part of the room that is asked for anew when it has changed.

import { fill } from "../common/dom.js";
import { isPassing } from "../common/http.js";
import { leftFor } from "../common/shell.js";
import { shown } from "../common/states.js";
import { onChange } from "./live.js";

const AGAIN_MS = 5_000;

// Shows what draw(data) makes of what load(names) gives, and again when one of `parts` has changed: `names` are those, at
// first all. While something in it has the focus it stays as it is. Ends when `place` leaves the page.
export function watched(place, parts, load, draw) {
  const due = new Set(parts);
  let last, isAsking = false;
  const renew = async () => {
    const names = new Set(due);
    due.clear();
    isAsking = true;
    try {
      const data = await load(names);
      setTimeout(go); // what changed meanwhile
      const now = JSON.stringify(data);
      if (now === last) return [...place.childNodes];
      last = now;
      return [draw(data)].flat();
    } catch (error) {
      names.forEach((name) => due.add(name));
      if (isPassing(error)) setTimeout(go, AGAIN_MS);
      throw error;
    } finally {
      isAsking = false;
    }
  };
  const go = async () => {
    if (!place.isConnected || isAsking || !due.size || place.contains(document.activeElement)) return;
    try {
      const drawn = await renew();
      if (drawn[0] !== place.firstChild) fill(place, drawn);
    } catch (error) {
      if (!leftFor(error)) console.warn(error); // what was there stays; the next time may be better
    }
  };
  const first = shown(place, renew);
  place.addEventListener("focusout", () => setTimeout(go)); // once the focus is elsewhere
  const forget = onChange((changed) => {
    if (!place.isConnected) return forget();
    parts.filter((name) => changed?.has(name) ?? true).forEach((name) => due.add(name));
    go();
  });
  return first;
}
