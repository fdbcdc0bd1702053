// One sound at a time: the player that sounds gives way to one that starts, in this tab or in another.

import { tellAtLast } from "../common/outbox.js";

const tabs = new BroadcastChannel("encore-sounding");
let sounding = null;

// Whether something sounds here.
export const sounds = () => Boolean(sounding?.isSounding);

let isHeld = false; // this device is the one that sounds, as far as it knows
export const hold = () => (isHeld = true);
export const holds = () => isHeld;
// Somebody ended what sounds; what comes next was asked for anew.
export const letGo = () => (isHeld = false);

let onStart = () => {};
// Calls `hear()` whenever something starts to sound here.
export const hearStarts = (hear) => (onStart = hear);

// `player` starts to sound; the one before it is interrupted.
export function takeOver(player) {
  if (sounding && sounding !== player) sounding.interrupt();
  sounding = player;
  tabs.postMessage("started");
  onStart();
}

// Nothing sounds any more.
export function silence() {
  letGo();
  sounding?.interrupt();
}

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
