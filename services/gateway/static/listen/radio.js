// The station as one hears it: what plays stays at the foot of the page, is rated there, and survives a reload.

import { fill, h } from "../common/dom.js";
import { isPassing } from "../common/http.js";
import { t } from "../common/strings.js";
import { playerView } from "./card.js";
import { Devices, itemsOf } from "./devices.js";
import { Fade, fade, isTime, passing } from "./fade.js";
import { kept } from "./kept.js";
import { picking } from "./four.js";
import { ballot } from "./pair.js";
import { Player, whyNot } from "./player.js";
import { Queue } from "./queue.js";
import { Station } from "./station.js";
import { rate, stars } from "./stars.js";

const KEPT = "encore-station";
const KEEP_MS = 1000;
const MOST_STARS = 5;
const MOST_TOLD = 20;

export class Radio {
  constructor(listener, bar) {
    this.listener = listener;
    this.bar = bar;
    this.audio = new Audio(); // one for all tracks: a phone lets only that one go on that a finger started
    this.spare = new Audio(); // for what begins while another track ends
    this.ballot = null; // of the last pair or four; it stays until there is an answer, if enough of all was heard
    this.queue = new Queue((items) => this.station.leaveOut(items));
    this.state = h("p", { class: "state", role: "status" });
    this.devices = new Devices(listener.listener_id, () => this.toldPlace());
    setInterval(() => this.keep(), KEEP_MS);
    addEventListener("pagehide", () => this.keep());
  }

  // Begins a station of this wish ({ prompt, seconds }).
  play(wish) {
    this.begin({ listener_id: this.listener.listener_id, ...wish });
    this.wanted = true;
    this.station.fill();
  }

  begin(wish, made) {
    this.close();
    this.station = new Station(wish, () => this.show(), made);
  }

  close() {
    this.station?.close();
    this.leave();
    this.station = this.item = null;
    this.wanted = false;
    this.from = 0;
    const held = this.bar.contains(document.activeElement);
    fill(this.bar);
    this.bar.hidden = true;
    if (held) document.getElementById("main").focus();
    sessionStorage.removeItem(KEPT);
  }

  // What played before a reload is there again, where it was; it sounds when it is asked to.
  restore() {
    const was = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (was?.wish.listener_id !== this.listener.listener_id) return;
    this.begin(was.wish, was.made);
    this.from = was.at;
    this.station.restore(was.items);
    this.station.fill();
  }

  // What played on any device goes on here, where it was.
  async goOn() {
    const was = await this.devices.told();
    const items = await itemsOf(was?.tracks ?? []);
    this.begin({ listener_id: this.listener.listener_id, prompt: was.prompt, seconds: was.seconds }, was.made);
    this.wanted = true;
    this.from = items[0].track.track_id === was.tracks[0] ? was.at_s : 0;
    this.station.restore(items);
    this.station.fill();
  }

  // The station as another device may go on with it.
  toldPlace() {
    if (!this.station?.present) return null;
    const { wish: { prompt, seconds }, made, items } = this.station;
    return { prompt, seconds, made, tracks: items.slice(0, MOST_TOLD).map(({ track }) => track.track_id), at_s: this.at };
  }

  get at() { return this.player?.at ?? this.from ?? 0; }

  // Somebody else listens from now on, or nobody.
  quit() {
    this.close();
    this.devices.close();
  }

  // The listener ends it; no device goes on with it.
  end() {
    this.close();
    this.devices.forget();
  }

  keep() {
    if (!this.station?.present) return;
    const items = this.station.items.map(({ track, pair, four, place }) => ({ track, pair, four, place }));
    const { wish, made } = this.station;
    sessionStorage.setItem(KEPT, JSON.stringify({ wish, made, items, at: this.at }));
  }

  // What plays is left; its item keeps the player, which tells what was heard live once the track is ready.
  leave() {
    this.fade?.end();
    this.fade = null;
    if (!this.player) return;
    this.player.close();
    this.item.left = this.player;
    this.player = null;
  }

  skip() {
    this.leave();
    this.wanted = true;
    this.from = 0;
    this.station.advance();
  }

  // Called whenever something of the station has changed.
  show() {
    const { station } = this;
    if (!station) return;
    this.bar.hidden = false;
    if (station.present !== this.item || !this.bar.hasChildNodes()) this.turnTo(station.present);
    const track = station.present?.track;
    if (this.player && !this.player.isReady && track.status === "ready") this.finish(track);
    station.present?.four?.tracks.forEach(({ status }, place) => status === "failed" && this.ballot.lost(place));
    if (!this.player && this.isAudible(station.present)) this.offer(station.present);
    if (isPassing(this.player?.troubled) && station.present.isHere) this.start();
    this.sayNow();
    this.queue.show(this.toldNext(), station.upcoming);
    this.keep();
  }

  // What is heard live is ready.
  finish(track) {
    this.player.tried(this.player.finish(track));
    this.fillActions(this.item);
  }

  // What came of a rating stays until something else plays, or does not.
  sayNow() {
    const text = (!this.player?.troubled && this.rated) || this.told();
    if (this.state.textContent !== text) this.state.textContent = text;
  }

  told() {
    const { present, trouble } = this.station;
    const troubled = this.player?.troubled;
    if (troubled) return whyNot(troubled);
    if (trouble && present?.track.status !== "ready") return trouble.message;
    if (!present) return t.station.asking;
    if (present.pair) return t.station.side[present.place];
    if (present.four) return t.station.take(present.place + 1);
    return present.track.status === "ready" ? "" : t.track.told(present.news?.event ?? "queued", present.news?.data ?? {});
  }

  toldNext() {
    const { present, trouble, upcoming } = this.station;
    const ready = upcoming.filter(({ track }) => track.status === "ready").length;
    return trouble && present?.track.status === "ready" && !ready ? trouble.message : t.station.next(ready);
  }

  isAudible(item) {
    return Boolean(item) && (item.track.status === "ready" || Boolean(item.news?.data?.ready_s));
  }

  // Another item is at the front: its place at the foot of the page.
  turnTo(item) {
    this.leave();
    this.item = item;
    this.rated = null;
    this.view = playerView();
    this.actions = h("div", { class: "row actions" });
    const title = item?.track.prompt || t.track.surprise;
    this.fillActions(item);
    fill(this.bar,
      h("div", { class: "now" }, h("p", { class: "title" }, title), this.state, this.queue.element),
      this.view, this.actions);
  }

  fillActions(item) {
    fill(this.actions,
      item?.track.status === "ready" && !item.four ? this.ratings(item) : null,
      h("button", { type: "button", class: "quiet small", onclick: () => this.skip() }, t.station.skip),
      h("button", { type: "button", class: "quiet small", onclick: () => this.end() }, t.station.stop),
      this.votes(item));
  }

  ratings(item) {
    const id = this.listener.listener_id;
    const here = (then) => (item === this.item ? then() : undefined); // what is told after a skip is not about what plays now
    const say = (text) => here(() => {
      this.rated = text;
      this.sayNow();
    });
    const again = () => here(() => this.fillActions(item));
    const heart = h("button", {
      type: "button", class: "heart", "aria-label": t.station.heart, "aria-pressed": String(kept(item.track.track_id) === MOST_STARS),
      onclick: () => {
        rate(id, item.track, MOST_STARS, say).catch(again);
        again();
      },
    });
    return [heart, stars(id, item.track, say, again)];
  }

  votes(item) {
    const asked = item?.pair ?? item?.four;
    const id = asked?.pair_id ?? asked?.four_id;
    if (asked && this.ballot?.id !== id) {
      this.ballot = { id, ...(item.pair ? ballot : picking)(this.listener.listener_id, asked) };
    }
    return asked || this.ballot?.isDue() ? this.ballot.element : null;
  }

  offer(item) {
    const votes = (item.pair || item.four) && this.ballot;
    this.view.hidden = false;
    this.player = new Player(this.view, this.listener.listener_id, item.track, {
      audio: this.audio, from: this.from ?? 0, next: () => this.skip(), onEnd: () => this.skip(),
      onHeard: (ms) => votes?.heard(item.place, ms, item.track.seconds), onAt: () => this.pass(), onTrouble: () => this.sayNow(),
    });
    this.from = 0;
    this.fillActions(item);
    this.start();
  }

  // Near its end, what plays passes into what comes next, where that is here and the listener wants it so.
  pass() {
    const { player, station: { present, upcoming: [next] } } = this;
    if (!player || !next?.isHere || player.isLive || !isTime(player.track.seconds - player.at, passing(fade(), present, next))) return;
    this.fade?.end();
    [this.audio, this.spare] = [this.spare, this.audio];
    this.player = null;
    this.wanted = true;
    this.from = 0;
    this.station.advance();
    this.fade = new Fade(player, this.player);
  }

  start() {
    this.player.troubled = null;
    if (this.wanted) this.player.tried(this.player.play());
    else if (!this.player.isLive) this.player.tried(this.player.load());
  }
}
