// The finished sound of tracks, fetched once and kept for a while, so that what comes next is here before the network goes.

import { blob } from "../common/http.js";

const MOST = 6;
const kept = new Map();

// Resolves to the sound of a track that is ready.
export function sound(trackId) {
  const known = kept.get(trackId);
  kept.delete(trackId);
  const wanted = known ?? blob(`/v1/tracks/${trackId}/audio`);
  kept.set(trackId, wanted);
  wanted.catch(() => kept.delete(trackId));
  if (kept.size > MOST) kept.delete(kept.keys().next().value);
  return wanted;
}
