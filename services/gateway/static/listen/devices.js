// Where a listener is in what they hear, as the gateway keeps it: any device goes on there, and one of them sounds.

import { call, get, isPassing, remove } from "../common/http.js";
import { notice } from "../common/shell.js";
import { t } from "../common/strings.js";
import uuid7 from "../vendor/uuid/v7.js";
import { hearStarts, hold, holds, silence, sounds } from "./alone.js";

const DEVICE = "encore-device";
const LOOK_MS = 1000;
const EVERY_MS = 10_000;

function thisDevice() {
  if (!localStorage.getItem(DEVICE)) localStorage.setItem(DEVICE, uuid7());
  return localStorage.getItem(DEVICE);
}

export class Devices {
  // station() gives what is to be gone on with, or null.
  constructor(listenerId, station) {
    this.path = `/v1/listeners/${listenerId}/playing`;
    this.station = station;
    this.device = thisDevice();
    this.saying = Promise.resolve(); // one word after the other
    this.did = false;
    hearStarts(() => this.began());
    this.timer = setInterval(() => this.look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => document.hidden && this.did && this.say());
    addEventListener("pagehide", () => this.did && this.say());
  }

  // Nothing more is said of this listener.
  close() {
    clearInterval(this.timer);
    this.did = false;
  }

  told() {
    return get(this.path);
  }

  forget() {
    this.after(() => remove(this.path));
  }

  // What a listener asked for begins at once, before another device can.
  began() {
    this.did = true;
    if (!holds()) this.say();
  }

  // Says when it ends to sound, and now and then meanwhile.
  look() {
    const does = sounds();
    if (does === this.did && !(does && performance.now() - this.last >= EVERY_MS)) return;
    this.did = does;
    this.say();
  }

  // Another device may have begun since: then this one gives way.
  say() {
    const begins = sounds() && !holds();
    const body = { device_id: this.device, begins, station: this.station() };
    this.last = performance.now();
    this.after(async () => {
      const answer = await (await call("PUT", this.path, body, { keepalive: true })).json();
      if (answer.device_id === this.device) {
        if (begins && sounds()) hold(); // nobody paused it meanwhile
      } else if (sounds() && holds()) {
        silence();
        notice(t.station.elsewhere);
      }
    });
  }

  after(work) {
    this.saying = this.saying.then(work).catch((error) => isPassing(error) || console.warn(error)); // the next word may get through
  }
}

// The items of a station with these tracks, without those that cannot be heard any more.
export async function itemsOf(ids) {
  const answers = await Promise.allSettled(ids.map((id) => get(`/v1/tracks/${id}`)));
  const tracks = answers.map(({ value }) => value).filter((track) => track && track.status !== "failed" && !track.audio_expired_at);
  if (!tracks.length) throw answers.find(({ reason }) => isPassing(reason))?.reason ?? new Error(t.station.gone);
  return Promise.all(tracks.map(itemOf));
}

async function itemOf(track) {
  const pair = track.pair_id ? await get(`/v1/pairs/${track.pair_id}`) : undefined;
  const four = track.four_id ? await get(`/v1/fours/${track.four_id}`) : undefined;
  const all = pair ? [pair.first, pair.second] : (four?.tracks ?? []);
  return { track, pair, four, place: all.findIndex((each) => each.track_id === track.track_id) };
}
