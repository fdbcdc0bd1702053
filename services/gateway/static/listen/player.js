// Plays one track, draws it, and tells what of it was heard. A track that is still being made plays live until it has
// ended or is paused, from then on from its file.

import { clock } from "../common/format.js";
import { tell } from "../common/outbox.js";
import { t } from "../common/strings.js";
import { letGo, takeOver } from "./alone.js";
import { Heard } from "./heard.js";
import { offerKeys, showKeys } from "./keys.js";
import { LiveSound } from "./live.js";
import { keepPeaks, keptPeaks } from "./peaks.js";
import { sound } from "./sounds.js";
import { Wave } from "./wave.js";

// Why it does not play, in words: no page may sound before it was touched.
export const whyNot = (error) => (error.name === "NotAllowedError" ? t.player.press : error.message);

const LOOK_MS = 60;
const BEFORE_END_S = 0.05;

export class Player {
  // root: the element that holds .play, .wave and .clock; audio: the element to sound with; from: seconds to begin at;
  // onHeard(ms) is told how much was heard so far, onAt() that it came on, onEnd() that it ended, onTrouble(error) why it
  // does not play, and null once it does; next() skips. `beside`: the player that ends while this one begins.
  constructor(root, listenerId, track, options = {}) {
    const { audio = new Audio(), from = 0, onHeard = () => {}, onAt = () => {}, onEnd = () => {}, onTrouble = console.warn, next = null } = options;
    Object.assign(this, { listenerId, track, from, onAt, onEnd, onTrouble, next, file: audio, beside: null });
    this.button = root.querySelector(".play");
    this.clock = root.querySelector(".clock");
    this.troubled = null; // why it does not play
    this.untold = []; // the gateway takes no events of a track that may still fail
    this.heard = new Heard((kind, data) => this.report(kind, data), onHeard);
    this.wave = new Wave(root.querySelector(".wave"), track.seconds, {
      seek: (seconds) => this.tried(this.seek(seconds)), toggle: () => this.tried(this.toggle()),
    });
    this.button.onclick = () => this.tried(this.toggle());
    this.use(this.isReady ? this.file : new LiveSound(track.track_id));
    this.stopped();
    this.show();
    const peaks = keptPeaks(listenerId, track.track_id);
    if (peaks) requestAnimationFrame(() => this.address || this.wave.drawPeaks(peaks).catch(console.warn)); // once it is in the page
  }

  get title() { return this.track.prompt || t.track.surprise; }
  get at() { return this.audio.currentTime; }
  get isReady() { return this.track.status === "ready"; }
  get isLive() { return this.audio instanceof LiveSound; }
  get isSounding() { return !this.audio.paused; }
  get lengthMs() { return Math.ceil(this.track.seconds * 1000); }
  get positionMs() { return Math.min(Math.round(this.audio.currentTime * 1000), this.lengthMs); }

  use(sound) {
    this.audio = sound;
    sound.onplay = () => this.started();
    sound.onpause = () => this.paused();
    sound.onseeking = () => this.seeked();
    sound.onended = () => this.ended();
  }

  // The track is ready: what was heard of it live counts now, also where it was left since.
  tellLive(track) {
    this.track = track;
    this.untold.splice(0).forEach(([kind, data, time]) => this.send(kind, data, time));
  }

  // It is ready and goes on from its file.
  finish(track) {
    this.tellLive(track);
    this.settle();
    return this.load();
  }

  // The track failed.
  abandon() {
    this.untold = [];
    this.audio.pause();
  }

  // From live to the file, where nobody hears it.
  settle() {
    if (!this.isReady || !this.isLive || this.isSounding) return;
    const at = this.audio.ended ? 0 : this.audio.currentTime;
    this.audio.close();
    this.use(this.file);
    this.load().then(() => { if (at > 0 && !this.isClosed) this.audio.currentTime = at; }, console.warn);
  }

  async load() {
    this.loading ??= this.fetchAndDraw();
    await this.loading;
    if (this.isClosed || this.isLive || this.audio.src === this.address) return;
    this.audio.src = this.address;
    if (this.from > 0) this.audio.currentTime = this.from;
    this.show();
  }

  async fetchAndDraw() {
    try {
      const file = await sound(this.track.track_id);
      this.address = URL.createObjectURL(file);
      this.wave.draw(file).then((peaks) => keepPeaks(this.listenerId, this.track.track_id, peaks), console.warn);
    } catch (error) {
      this.loading = null;
      throw error;
    }
  }

  // Tells what trouble there is with some work, and when it is over; to be paused before it sounds is none.
  tried(work) {
    const tell = (error) => this.onTrouble(this.troubled = error);
    work.then(() => this.troubled && tell(null), (error) => error.name === "AbortError" || tell(error));
  }

  async toggle() {
    if (this.isLive && (this.audio.ended || this.audio.broken)) return; // the file comes soon
    if (this.isSounding) this.pause();
    else await this.play();
  }

  pause() {
    letGo();
    this.audio.pause();
  }

  async play() {
    if (!this.isLive) await this.load();
    if (this.isClosed) return;
    this.begins = this.positionMs; // the event that it plays comes a little later
    await this.audio.play();
  }

  started() {
    takeOver(this);
    offerKeys(this, this.next);
    this.heard.started(this.begins ?? this.positionMs);
    this.begins = null;
    this.button.dataset.sounds = "";
    this.button.setAttribute("aria-label", t.player.pause);
    showKeys(this);
    this.follow();
  }

  follow() {
    if (!this.isSounding || !this.heard.isPlay) return;
    if (!this.audio.seeking) this.heard.reached(this.positionMs);
    this.show();
    this.onAt();
    setTimeout(() => this.follow(), LOOK_MS);
  }

  stopped() {
    delete this.button.dataset.sounds;
    this.button.setAttribute("aria-label", t.player.play);
  }

  paused() {
    if (!this.audio.ended) this.heard.paused(this.positionMs);
    this.stopped();
    showKeys(this);
    this.settle();
  }

  seeked() {
    this.heard.seeked(this.leaving ?? this.heard.upTo, this.positionMs);
    this.leaving = null;
    this.show();
    showKeys(this);
  }

  ended() {
    this.heard.completed(this.lengthMs);
    if (!this.isLive) this.audio.currentTime = 0;
    this.stopped();
    this.show();
    this.settle();
    this.onEnd();
  }

  interrupt() {
    if (this.isClosed) return; // its audio element may sound for another
    this.heard.interrupted(this.positionMs);
    this.audio.pause();
  }

  // It is not played any more.
  close() {
    this.interrupt();
    this.isClosed = true;
    if (this.isLive) this.audio.close();
    if (this.address) URL.revokeObjectURL(this.address);
  }

  report(kind, data) {
    const event = [kind, { ...data, track_id: this.track.track_id }, new Date()];
    if (this.isReady) this.send(...event);
    else this.untold.push(event);
  }

  send(kind, data, time) {
    tell(this.listenerId, `encore.play.${kind}`, data, time).catch(console.warn);
  }

  async seek(seconds) {
    if (this.isLive) return;
    await this.load();
    this.leaving = this.positionMs;
    this.audio.currentTime = Math.min(Math.max(seconds, 0), this.track.seconds - BEFORE_END_S);
    this.show();
  }

  show() {
    this.wave.show(this.audio.currentTime, this.track.seconds);
    this.clock.textContent = t.player.of(clock(this.audio.currentTime), clock(this.track.seconds));
  }
}
