// A part of a page that renews itself while it is looked at.

import { fill } from "./dom.js";
import { leftFor } from "./shell.js";
import { shown } from "./states.js";

const EVERY_MS = 10_000;

// Shows what draw(data) makes of what load() gives, and again when that has changed; ends when `place` leaves the page.
export function watched(place, load, draw) {
  let last;
  const renew = async () => {
    const data = await load();
    const now = JSON.stringify(data);
    if (now === last) return [...place.childNodes];
    last = now;
    return draw(data);
  };
  const first = shown(place, renew);
  const timer = setInterval(async () => {
    if (!place.isConnected) return clearInterval(timer);
    if (document.hidden || place.contains(document.activeElement)) return;
    try {
      const parts = [await renew()].flat();
      if (parts[0] !== place.firstChild) fill(place, parts);
    } catch (error) {
      if (!leftFor(error)) console.warn(error); // what was there stays; the next time may be better
    }
  }, EVERY_MS);
  return first;
}
