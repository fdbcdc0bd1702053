// One sound at a time: what sounds gives way to a player that starts, in this tab or in another. Only what passes into the
// next track sounds beside it.

import { tellAtLast } from "../common/outbox.js";

const tabs = new BroadcastChannel("encore-sounding");
const sounding = new Set();

// Whether something sounds here.
export const sounds = () => [...sounding].some((player) => player.isSounding);

let isHeld = false; // this device is the one that sounds, as far as it knows
export const hold = () => (isHeld = true);
export const holds = () => isHeld;
// Somebody ended what sounds; what comes next was asked for anew.
export const letGo = () => (isHeld = false);

let onStart = () => {};
// Calls `hear()` whenever something starts to sound here.
export const hearStarts = (hear) => (onStart = hear);

// `player` starts to sound; others are interrupted, but for the one that passes into it.
export function takeOver(player) {
  interrupt((other) => other !== player && other !== player.beside);
  sounding.add(player);
  tabs.postMessage("started");
  onStart();
}

// Nothing sounds any more.
export function silence() {
  letGo();
  interrupt(() => true);
}

function interrupt(which) {
  for (const player of [...sounding].filter(which)) {
    player.interrupt();
    sounding.delete(player);
  }
}

tabs.onmessage = silence;

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  sounding.forEach((player) => player.heard.beat()); // a hidden page may be ended without a word
  tellAtLast();
});
addEventListener("pagehide", () => {
  silence();
  tellAtLast();
});
