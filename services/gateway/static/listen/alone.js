// One sound at a time: the player that sounds gives way to one that starts, in this tab or in another.

import { tellAtLast } from "../common/outbox.js";

const tabs = new BroadcastChannel("encore-sounding");
let sounding = null;

// `player` starts to sound; the one before it is interrupted.
export function takeOver(player) {
  if (sounding && sounding !== player) sounding.interrupt();
  sounding = player;
  tabs.postMessage("started");
}

// Nothing sounds any more.
export const silence = () => sounding?.interrupt();

tabs.onmessage = silence;

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  sounding?.heard.beat(); // a hidden page may be ended without a word
  tellAtLast();
});
addEventListener("pagehide", () => {
  silence();
  tellAtLast();
});
