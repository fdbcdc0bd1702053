// The listener's tracks, newest first.

import { h } from "../common/dom.js";
import { get, post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { trackCard } from "./card.js";
import { fourCard } from "./four.js";
import { pairCard } from "./pair.js";

const EARLIER = 20;

export function trackList(listener) {
  const id = listener.listener_id;
  const none = h("p", { class: "state empty", id: "no-tracks" }, t.track.none);
  const list = h("div", { id: "tracks" });
  const add = (card, where = "prepend") => {
    none.hidden = true;
    list[where](card);
    return card;
  };
  const likeThis = ({ prompt, seconds }, control) => act(async () => addWish(await post("/v1/tracks", { listener_id: id, prompt, seconds })), control);
  const addTrack = (track, where) => add(trackCard(id, track, likeThis), where);
  const addPair = (pair, where) => add(pairCard(id, pair), where);
  const addFour = (four, where) => add(fourCard(id, four), where);
  // A wish may have been made twice: then it is offered twice.
  const addWish = async (track, where) => {
    if (track.four_id) return addFour(await get(`/v1/fours/${track.four_id}`), where);
    return track.pair_id ? addPair(await get(`/v1/pairs/${track.pair_id}`), where) : addTrack(track, where);
  };
  const begin = async () => {
    const offered = new Set(); // pairs and fours
    for (const track of await get(`/v1/listeners/${id}/tracks?limit=${EARLIER}`)) {
      const together = track.pair_id ?? track.four_id;
      if (together && offered.has(together)) continue;
      offered.add(together);
      await addWish(track, "append");
    }
  };
  const element = h("section", { "aria-labelledby": "tracks-title" },
    h("h2", { id: "tracks-title" }, t.track.title), none, list);
  return { element, begin, addWish, addPair, addFour };
}
