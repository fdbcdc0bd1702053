// A station: tracks without end, the next ones always in the making, now and then two to be compared blind, or four to
// pick one from.

import { get, isPassing, pauseAfter, post, Refused } from "../common/http.js";
import { follow } from "../common/stream.js";
import { dials } from "./dials.js";
import { sound } from "./sounds.js";

const AHEAD = 2;
const PAIR_EVERY = 5;
const FOUR_EVERY = 8;
const PAUSE_MS = 3000;
const MOST_FAILURES = 3; // in a row; then something is wrong that more tracks do not mend

// An item is { track, pair, four, place }; a track of its own has none of the last three, `place` counts from 0 in a pair or
// a four. `news` is the last of its progress, `left` the player that it was left in.
export class Station {
  // wish: { listener_id, prompt, seconds }; onNews() is called when something in it has changed.
  constructor(wish, onNews, made = 0) {
    this.wish = wish;
    this.onNews = onNews;
    this.made = made; // how many wishes were made into items
    this.items = []; // the first one plays
    this.trouble = null;
    this.failures = 0;
    this.isOver = false;
  }

  get present() { return this.items[0]; }
  get upcoming() { return this.items.slice(1); }

  // Puts back what was there before a reload.
  restore(items) {
    items.forEach((item) => this.take(item));
  }

  // Leaves what plays; what comes next is asked for.
  advance() {
    this.items.shift();
    this.fill();
    this.onNews();
  }

  // What comes later is not to come.
  leaveOut(items) {
    items.forEach((item) => this.withdraw(item));
    this.fill();
    this.onNews();
  }

  close() {
    this.isOver = true;
  }

  // Asks for what is missing; one at a time, and again when it could not be had.
  async fill() {
    if (this.filling || this.isOver) return;
    this.filling = true;
    while (!this.isOver && this.items.length <= AHEAD) {
      try {
        for (const item of await this.asked()) this.take(item);
        this.trouble = null;
      } catch (error) {
        if (!isPassing(error) && !(error instanceof Refused)) throw error;
        if (!isPassing(error)) this.close();
        this.trouble = error;
        this.onNews();
        await new Promise((resolve) => setTimeout(resolve, pauseAfter(error, PAUSE_MS)));
      }
    }
    this.filling = false;
  }

  async asked() {
    const number = this.made + 1;
    const isPair = number % PAIR_EVERY === 0;
    const isFour = !isPair && number % FOUR_EVERY === 0;
    const asked = isFour ? this.wish : { ...this.wish, ...dials() };
    const wish = await post(isPair ? "/v1/pairs" : isFour ? "/v1/fours" : "/v1/tracks", asked);
    this.made = number;
    if (isFour) return wish.tracks.map((track, place) => ({ track, four: wish, place }));
    if (!wish.pair_id) return [{ track: wish }];
    const pair = isPair ? wish : await get(`/v1/pairs/${wish.pair_id}`); // a wish for one may be made twice
    return [pair.first, pair.second].map((track, place) => ({ track, pair, place }));
  }

  take(item) {
    this.items.push(item);
    this.onNews();
    this.make(item).catch((error) => this.lost(item, error));
  }

  async make(item) {
    if (item.track.status !== "ready") {
      await follow(item.track.track_id, (event, data) => {
        item.news = { event, data };
        if (event === "ready") item.track = data;
        if (event !== "failed") this.onNews();
      });
    }
    if (item.track.status !== "ready") return this.lost(item);
    item.left?.tellLive(item.track);
    this.failures = 0;
    this.onNews();
    await this.fetched(item);
  }

  // What can be heard without the network.
  async fetched(item) {
    while (!this.isOver && !item.isHere) {
      try {
        await sound(item.track.track_id);
        item.isHere = true;
        this.onNews();
      } catch (error) {
        if (!isPassing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseAfter(error, PAUSE_MS)));
      }
    }
  }

  lost(item, error = item.news.data.problem) {
    this.failures += 1;
    if (this.failures >= MOST_FAILURES) {
      this.trouble = error;
      this.close();
    }
    this.withdraw(item);
    this.fill();
    this.onNews();
  }

  // It will not play; what is left of its pair or four is asked for no more than can be told.
  withdraw(item) {
    this.items = this.items.filter((other) => other !== item);
    for (const other of this.items) if (item.pair && other.pair?.pair_id === item.pair.pair_id) other.pair = null;
    for (const other of this.items) if (item.four && other.four?.four_id === item.four.four_id) other.four.tracks[item.place].status = "failed";
  }
}
