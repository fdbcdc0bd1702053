// A track on the page: how far it is, its player, its stars.

import { h } from "../common/dom.js";
import { remove } from "../common/http.js";
import { follow } from "../common/stream.js";
import { t } from "../common/strings.js";
import { Player, whyNot } from "./player.js";
import { stars } from "./stars.js";

export const playerView = () =>
  h("div", { class: "player", hidden: true },
    h("button", { type: "button", class: "play", "aria-label": t.player.play }),
    h("div", { class: "wave" }),
    h("span", { class: "clock" }));

// The card, without what may be done with the track.
export function bareCard(track, title) {
  return h("article", { class: "card", tabIndex: -1, "data-track": track.track_id },
    h("h3", {}, title),
    h("p", { class: "state", role: "status" }),
    h("progress", { max: 1, hidden: true, "aria-label": t.track.progress }),
    h("button", { type: "button", class: "cancel quiet", hidden: true }, t.track.cancel),
    playerView());
}

// A card whose track can be rated. `likeThis(track)` asks for another.
export function trackCard(listenerId, track, likeThis) {
  const card = bareCard(track, track.prompt || t.track.surprise);
  fillCard(card, listenerId, track).then((ready) => {
    if (!ready) return;
    const state = card.querySelector(".state");
    card.append(h("div", { class: "row after" },
      stars(listenerId, ready, (text) => (state.textContent = text)),
      h("button", { type: "button", class: "quiet small", onclick: (event) => likeThis(ready, event.target) }, t.track.like)));
  });
  return card;
}

// Whether what became of a track can be heard: it is finished, and its sound is kept.
export const isHeard = (finished) => Boolean(finished && !finished.audio_expired_at);

// Follows the track and offers its player as soon as there is something to hear; resolves to the finished track, or null
// when there is no audio. The sound of one that was finished before is fetched when it is played.
export async function fillCard(card, listenerId, track, onHeard) {
  const place = card.querySelector(".player");
  const say = (error) => (card.querySelector(".state").textContent = error ? whyNot(error) : t.track.told(player.track.status, player.track));
  let player = null;
  const offer = (known) => {
    player ??= new Player(card, listenerId, known, {
      onHeard: (ms) => onHeard?.(ms, player.track.seconds), onTrouble: say,
    });
    place.hidden = false;
  };
  const finished = await followed(card, track, () => offer(track));
  if (finished?.status !== "ready") {
    player?.abandon();
    place.hidden = true;
    return null;
  }
  if (!isHeard(finished)) return finished;
  offer(finished);
  if (finished !== track) player.tried(player.finish(finished));
  return finished;
}

async function followed(card, track, onAudible) {
  const [state, bar, cancel] = [".state", "progress", ".cancel"].map((name) => card.querySelector(name));
  if (track.status === "ready" || track.status === "failed") {
    state.textContent = t.track.told(track.status, track);
    return track;
  }
  bar.hidden = cancel.hidden = false;
  cancel.onclick = () => remove(`/v1/tracks/${track.track_id}`).catch((error) => (state.textContent = error.message));
  try {
    await follow(track.track_id, (event, news) => {
      state.textContent = t.track.told(event, news);
      if (news.ready_s) onAudible();
      if (event === "denoising") bar.value = news.step / news.steps;
      else if (event === "queued") bar.removeAttribute("value");
      if (event === "ready" || event === "failed") track = news;
    });
  } catch (error) {
    state.textContent = error.message;
    return null;
  } finally {
    bar.hidden = cancel.hidden = true;
  }
  return track;
}
