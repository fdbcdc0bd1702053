// The listening page: enter, be someone, bring songs, ask for tracks, follow, hear, rate, compare.

import * as api from "./api.js";
import { pairCard, trackCard } from "./cards.js";
import { showUplift } from "./uplift.js";

const KNOWN = "encore-listeners";
const $ = (id) => document.getElementById(id);
let listener = null;

const known = () => JSON.parse(localStorage.getItem(KNOWN) ?? "[]");
const remember = (id) => localStorage.setItem(KNOWN, JSON.stringify([id, ...known().filter((other) => other !== id)].slice(0, 20)));

function notice(text) {
  $("notice").textContent = text ?? "";
  $("notice").hidden = !text;
}

// Runs what a control asks for; what goes wrong is told at the top of the page.
async function act(work, control) {
  notice();
  if (control) control.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.status === 401) {
      api.forgetToken();
      enter();
    }
    notice(error.message);
  } finally {
    if (control) control.disabled = false;
  }
}

function enter() {
  const inside = Boolean(api.token());
  $("enter").hidden = inside;
  $("rooms").hidden = !inside;
  if (inside) act(begin);
  else $("token").focus();
}

async function begin() {
  for (const id of known()) {
    try {
      return await become(await api.get(`/v1/listeners/${id}`));
    } catch (error) {
      if (error.code !== "unknown_listener") throw error;
      localStorage.setItem(KNOWN, JSON.stringify(known().filter((other) => other !== id)));
    }
  }
  offerNew();
}

function offerNew() {
  $("choose-form").hidden = true;
  $("create-form").hidden = false;
  $("back").hidden = !listener;
  $("home").focus();
}

async function become(who) {
  listener = who;
  remember(who.listener_id);
  $("create-form").hidden = true;
  $("choose-form").hidden = false;
  $("known").replaceChildren(...known().map((id) => new Option(id.slice(-8), id)));
  const cohorts = Object.entries(who.attributes).map(([key, value]) => `${key}=${value}`);
  $("listener-facts").textContent = cohorts.length ? `Cohorts: ${cohorts.join(", ")}` : "In no cohort of your own.";
  $("cohort").replaceChildren(...["all", ...cohorts].map((name) => new Option(name, name)));
  document.querySelectorAll(".needs-listener").forEach((room) => (room.hidden = false));
  $("tracks").replaceChildren();
  showSongs(await api.get(`/v1/listeners/${who.listener_id}/songs`));
  await showEarlier(await api.get(`/v1/listeners/${who.listener_id}/tracks?limit=20`));
}

function showSongs(songs) {
  $("song-list").replaceChildren(...songs.map((song, index) => {
    const line = document.createElement("li");
    line.textContent = `${song.filename}, ${Math.round(song.seconds)} s${index < 3 ? "" : " (kept, not used)"}`;
    return line;
  }));
}

async function showEarlier(tracks) {
  const pairs = new Set();
  for (const track of tracks) {
    if (!track.pair_id) add(trackCard(listener.listener_id, track), "append");
    else if (!pairs.has(track.pair_id)) {
      pairs.add(track.pair_id);
      add(pairCard(listener.listener_id, await api.get(`/v1/pairs/${track.pair_id}`)), "append");
    }
  }
}

function add(card, where) {
  $("no-tracks").hidden = true;
  $("tracks")[where](card);
}

async function bring(files) {
  for (const file of files) {
    const line = document.createElement("li");
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    line.append(`${file.name} `, bar);
    $("song-list").prepend(line);
    await act(async () => {
      await api.upload(listener.listener_id, file, (part) => {
        bar.value = part;
        if (part === 1) bar.removeAttribute("value"); // sent; now it is being listened to
      });
    });
    line.remove();
    await act(async () => showSongs(await api.get(`/v1/listeners/${listener.listener_id}/songs`)));
  }
}

function attributes() {
  const given = $("home").value.trim() ? { home: $("home").value.trim() } : {};
  for (const part of $("more").value.split(",").filter((text) => text.trim())) {
    const [key, value] = part.split("=").map((text) => text.trim());
    given[key] = value ?? "";
  }
  return given;
}

$("token-form").onsubmit = (event) => {
  event.preventDefault();
  notice();
  api.keepToken($("token").value.trim());
  enter();
};
$("create-form").onsubmit = (event) => {
  event.preventDefault();
  act(async () => become(await api.post("/v1/listeners", { attributes: attributes() })), event.submitter);
};
$("someone-else").onclick = offerNew;
$("back").onclick = () => act(() => become(listener));
$("known").onchange = () => act(async () => become(await api.get(`/v1/listeners/${$("known").value}`)));
$("files").onchange = async () => {
  await bring([...$("files").files]);
  $("files").value = "";
};
$("drop").ondragover = (event) => event.preventDefault();
$("drop").ondrop = (event) => {
  event.preventDefault();
  bring([...event.dataTransfer.files]);
};
$("seconds").oninput = () => ($("seconds-shown").value = $("seconds").value);
$("ask-form").onsubmit = (event) => {
  event.preventDefault();
  const wish = { listener_id: listener.listener_id, prompt: $("prompt").value, seconds: Number($("seconds").value) };
  act(async () => {
    const card = event.submitter?.value === "pair"
      ? pairCard(listener.listener_id, await api.post("/v1/pairs", wish))
      : trackCard(listener.listener_id, await api.post("/v1/tracks", wish));
    add(card, "prepend");
    card.focus();
  }, event.submitter);
};
const uplift = () => $("uplift").open && act(() => showUplift($("uplift-tables"), $("cohort").value));
$("uplift").ontoggle = uplift;
$("cohort").onchange = uplift;
addEventListener("hashchange", enter);

enter();
