// A track, or a blind pair of tracks, on the page: progress, player, stars or vote.

import * as api from "./api.js";
import { Player } from "./player.js";

const RATED = "encore-ratings";
const ENOUGH_MS = 4000;

const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const kept = () => JSON.parse(localStorage.getItem(RATED) ?? "{}");
const keep = (id, value) => localStorage.setItem(RATED, JSON.stringify({ ...kept(), [id]: value }));

export function trackCard(listenerId, track) {
  const card = copy("track-card");
  card.dataset.track = track.track_id;
  card.querySelector("h3").textContent = track.prompt || "A surprise";
  fill(card, listenerId, track).then((ready) => ready && offerStars(card, listenerId, ready));
  return card;
}

export function pairCard(listenerId, pair) {
  const card = copy("pair-card");
  card.dataset.pair = pair.pair_id;
  card.querySelector("h3").textContent = pair.first.prompt || "A surprise, twice";
  const heard = { first: 0, second: 0 }, enough = { first: Infinity, second: Infinity };
  const earlier = kept()[pair.pair_id];
  const permit = () => {
    const may = !card.dataset.voted && ["first", "second"].every((side) => heard[side] >= enough[side]);
    card.querySelectorAll(".vote button").forEach((button) => (button.disabled = !may));
  };
  for (const [side, name] of [["first", "A"], ["second", "B"]]) {
    const half = copy("track-card");
    half.dataset.track = pair[side].track_id;
    half.querySelector("h3").textContent = name;
    card.querySelector(".sides").append(half);
    fill(half, listenerId, pair[side], (ms) => { heard[side] = ms; permit(); })
      .then((ready) => ready && (enough[side] = Math.min(ENOUGH_MS, ready.seconds * 900)));
  }
  const state = card.lastElementChild;
  if (earlier) voted(card, state, earlier);
  card.querySelectorAll(".vote button").forEach((button) => {
    button.onclick = async () => {
      card.dataset.voted = button.dataset.choice;
      permit();
      try {
        await api.tell(listenerId, "encore.pair.voted", { pair_id: pair.pair_id, choice: button.dataset.choice });
        keep(pair.pair_id, button.dataset.choice);
        voted(card, state, button.dataset.choice);
      } catch (error) {
        delete card.dataset.voted;
        state.textContent = error.message;
        permit();
      }
    };
  });
  return card;
}

function voted(card, state, choice) {
  card.dataset.voted = choice;
  card.querySelectorAll(".vote button").forEach((button) => {
    button.disabled = true;
    button.classList.toggle("chosen", button.dataset.choice === choice);
  });
  state.textContent = "Your vote is counted.";
}

// Follows the track and offers its player as soon as there is something to hear; resolves to the finished track, or null
// when there is no audio.
async function fill(card, listenerId, track, onHeard) {
  let player = null;
  const offer = (known) => {
    player ??= new Player(card, listenerId, known, onHeard);
    card.querySelector(".player").hidden = false;
  };
  const finished = await follow(card, track, () => offer(track));
  if (finished?.status !== "ready") {
    player?.abandon();
    card.querySelector(".player").hidden = true;
    return null;
  }
  offer(finished);
  player.finish(finished).catch((error) => (card.querySelector(".state").textContent = error.message));
  return finished;
}

async function follow(card, track, onAudible) {
  const state = card.querySelector(".state"), bar = card.querySelector("progress"), cancel = card.querySelector(".cancel");
  if (track.status !== "ready" && track.status !== "failed") {
    bar.hidden = cancel.hidden = false;
    cancel.onclick = () => api.remove(`/v1/tracks/${track.track_id}`).catch((error) => (state.textContent = error.message));
    try {
      await api.follow(track.track_id, (event, news) => {
        state.textContent = told(event, news);
        if (news.ready_s) onAudible();
        if (event === "denoising") bar.value = news.step / news.steps;
        else if (event === "queued") bar.removeAttribute("value");
        if (event === "ready" || event === "failed") track = news;
      });
    } catch (error) {
      state.textContent = error.message;
      track = null;
    }
    bar.hidden = cancel.hidden = true;
  } else state.textContent = told(track.status, track);
  return track;
}

function told(event, news) {
  const toGo = news.to_go_s ? `, about ${Math.ceil(news.to_go_s)} s to go` : "";
  if (event === "queued") return `${news.place ? `Waiting: ${news.place} before it` : "Waiting for its turn"}${toGo}.`;
  if (event === "denoising") return `Step ${news.step} of ${news.steps}${toGo}.`;
  if (event === "decoding") return "Turning it into sound.";
  if (event === "failed") return news.problem?.code === "cancelled" ? "Cancelled." : `It failed: ${news.problem?.message ?? "no reason given"}`;
  return `${Math.round(news.seconds)} seconds, ready to hear.`;
}

function offerStars(card, listenerId, track) {
  const stars = card.querySelector(".stars"), state = card.querySelector(".state");
  for (const value of [1, 2, 3, 4, 5]) {
    const id = `stars-${track.track_id}-${value}`;
    const input = Object.assign(document.createElement("input"), { type: "radio", name: `stars-${track.track_id}`, value, id });
    const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: "★", title: `${value} of 5` });
    input.setAttribute("aria-label", `${value} of 5 stars`);
    input.checked = kept()[track.track_id] === value;
    input.onchange = () =>
      api.tell(listenerId, "encore.rating.given", { track_id: track.track_id, stars: value }).then(
        () => { keep(track.track_id, value); state.textContent = `Rated ${value} of 5. You may change it.`; },
        (error) => { state.textContent = error.message; });
    stars.append(input, label);
  }
  stars.hidden = false;
}
