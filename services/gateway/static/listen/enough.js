// How much of a track one must have heard to compare it with another.

const ENOUGH_MS = 4000;
const ENOUGH_PART = 900; // of 1000, of a track that is shorter

export const ENOUGH_S = ENOUGH_MS / 1000;
export const isEnough = (ms, seconds) => ms >= Math.min(ENOUGH_MS, seconds * ENOUGH_PART);
