// The waveforms that this browser has drawn for a listener, so that a track shows its own before its sound is fetched.

import { session } from "../common/session.js";

const KEPT = "encore-waves-"; // then the listener's id
const MOST = 60; // tracks

const all = (listenerId) => JSON.parse(localStorage.getItem(KEPT + listenerId) ?? "{}");

// As WaveSurfer takes and gives them; undefined of what was not drawn here.
export const keptPeaks = (listenerId, trackId) => all(listenerId)[trackId];

export function keepPeaks(listenerId, trackId, peaks) {
  if (session()?.listener_id !== listenerId) return; // they are erased, or have left
  const { [trackId]: _, ...others } = all(listenerId);
  const newest = Object.entries(others).slice(1 - MOST);
  localStorage.setItem(KEPT + listenerId, JSON.stringify(Object.fromEntries([...newest, [trackId, peaks]])));
}
