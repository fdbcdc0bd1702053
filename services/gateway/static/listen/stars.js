// Stars and a heart for a track. A heart is five stars: there is one scale.

import { h } from "../common/dom.js";
import { orWaiting, tell } from "../common/outbox.js";
import { t } from "../common/strings.js";
import { keep, kept } from "./kept.js";

const MOST = 5;
let groups = 0;

// The stars of a track; say(text) is told what came of it.
export function stars(listenerId, track, say, onRated = () => {}) {
  const group = `stars-${track.track_id}-${groups++}`;
  const choices = [1, 2, 3, 4, MOST].flatMap((value) => {
    const id = `${group}-${value}`;
    return [
      h("input", {
        type: "radio", name: group, value, id, checked: kept(track.track_id) === value, "aria-label": t.stars.label(value),
        onchange: () => rate(listenerId, track, value, say).then(() => onRated(value), () => {}),
      }),
      h("label", { for: id, title: t.stars.of(value) }, "★"),
    ];
  });
  return h("fieldset", { class: "stars" }, h("legend", {}, t.stars.legend), choices);
}

// Resolves once the rating counts; what went wrong is said and thrown on. It is kept, and seen, from the first.
export async function rate(listenerId, track, value, say) {
  const before = kept(track.track_id);
  keep(track.track_id, value);
  try {
    await orWaiting(tell(listenerId, "encore.rating.given", { track_id: track.track_id, stars: value }), () => say(t.stars.waits(value)));
  } catch (error) {
    if (kept(track.track_id) === value) keep(track.track_id, before);
    say(error.message);
    throw error;
  }
  say(t.stars.rated(value));
}
