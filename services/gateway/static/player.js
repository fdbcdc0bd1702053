// Plays one track, draws it, and tells which stretches of it were heard. A track that is still being made plays live until
// it has ended or is paused, from then on from its file.

import * as api from "./api.js";
import { LiveSound } from "./live.js";
import { paintSpectrogram } from "./spectrogram.js";

const HEARTBEAT_MS = 5000;
let sounding = null;

export class Player {
  // root: the element that holds .play, canvas and .clock; onHeard(ms) is told how much was heard so far.
  constructor(root, listenerId, track, onHeard = () => {}) {
    this.listenerId = listenerId;
    this.track = track;
    this.onHeard = onHeard;
    this.button = root.querySelector(".play");
    this.canvas = root.querySelector("canvas");
    this.clock = root.querySelector(".clock");
    this.untold = []; // the gateway takes no events of a track that may still fail
    this.heardMs = 0;
    this.playId = null;
    this.button.onclick = () => this.toggle();
    this.canvas.onclick = (event) => this.seek((event.offsetX / this.canvas.clientWidth) * this.track.seconds);
    this.canvas.onkeydown = (event) => this.step(event);
    this.use(this.isReady ? new Audio() : new LiveSound(track.track_id));
    this.show();
  }

  get isReady() { return this.track.status === "ready"; }
  get isLive() { return this.audio instanceof LiveSound; }

  use(sound) {
    this.audio = sound;
    sound.onplay = () => this.started();
    sound.onpause = () => { this.stopped("paused"); this.settle(); };
    sound.onseeking = () => this.seeked();
    sound.onended = () => { this.ended(); this.settle(); };
  }

  // The track is ready: what was heard of it live counts now.
  finish(track) {
    this.track = track;
    this.untold.splice(0).forEach((event) => this.tell(...event));
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
    if (!this.isReady || !this.isLive || !this.audio.paused) return;
    const at = this.audio.ended ? 0 : this.audio.currentTime;
    this.audio.close();
    this.use(new Audio());
    this.load().then(() => { if (at > 0) this.audio.currentTime = at; }, console.warn);
  }

  get lengthMs() { return Math.ceil(this.track.seconds * 1000); }
  get positionMs() { return Math.min(Math.round(this.audio.currentTime * 1000), this.lengthMs); }

  async load() {
    this.loading ??= this.fetchAndPaint();
    await this.loading;
    if (!this.isLive && !this.audio.src) this.audio.src = this.address;
  }

  async fetchAndPaint() {
    const blob = await api.audio(this.track.track_id);
    this.address = URL.createObjectURL(blob);
    const decoder = new OfflineAudioContext(1, 1, 22050);
    const sound = await decoder.decodeAudioData(await blob.arrayBuffer());
    this.picture = paintSpectrogram(sound.getChannelData(0), sound.sampleRate, this.canvas.width, this.canvas.height);
    this.show();
  }

  async toggle() {
    if (this.isLive && (this.audio.ended || this.audio.broken)) return; // the file comes soon
    if (!this.isLive) await this.load();
    if (this.audio.paused) await this.audio.play();
    else this.audio.pause();
  }

  started() {
    if (sounding && sounding !== this) sounding.interrupt();
    sounding = this;
    this.from = this.last = this.positionMs;
    if (this.playId === null) {
      this.playId = api.uuid7();
      this.emit("started", null);
    } else this.emit("resumed", null);
    this.button.textContent = "❚❚";
    this.button.setAttribute("aria-label", "Pause");
    this.lastBeat = performance.now();
    this.follow();
  }

  follow() {
    if (this.audio.paused) return;
    if (!this.audio.seeking) this.last = this.positionMs;
    this.onHeard(this.heardMs + Math.max(0, this.last - this.from));
    this.show();
    if (performance.now() - this.lastBeat >= HEARTBEAT_MS) this.emit("heartbeat", this.stretch());
    setTimeout(() => this.follow(), 60);
  }

  // The stretch since the last event, which then begins anew.
  stretch() {
    const heard = { from_ms: this.from, to_ms: this.last };
    this.heardMs += Math.max(0, heard.to_ms - heard.from_ms);
    this.from = this.last;
    this.onHeard(this.heardMs);
    return heard.to_ms > heard.from_ms ? heard : null;
  }

  stopped(kind) {
    this.button.textContent = "▶";
    this.button.setAttribute("aria-label", "Play");
    if (this.playId === null || this.audio.ended) return;
    if (!this.audio.seeking) this.last = this.positionMs;
    this.emit(kind, this.stretch());
  }

  seeked() {
    if (this.playId === null) return;
    const heard = this.audio.paused ? null : this.stretch();
    this.from = this.last = this.positionMs;
    this.emit("seeked", heard);
    this.show();
  }

  ended() {
    this.last = this.lengthMs;
    this.emit("completed", this.stretch());
    this.playId = null;
    if (!this.isLive) this.audio.currentTime = 0;
    this.stopped("paused");
    this.show();
  }

  interrupt() {
    if (this.playId === null) return;
    if (!this.audio.paused) this.last = this.positionMs;
    this.emit("interrupted", this.audio.paused ? null : this.stretch());
    this.playId = null;
    this.audio.pause();
  }

  emit(kind, heard) {
    this.lastBeat = performance.now();
    const data = { play_id: this.playId, track_id: this.track.track_id, position_ms: this.positionMs };
    const event = [`encore.play.${kind}`, heard ? { ...data, heard } : data, new Date()];
    if (this.isReady) this.tell(...event);
    else this.untold.push(event);
  }

  tell(type, data, time) {
    api.tell(this.listenerId, type, data, time).catch(console.warn);
  }

  seek(seconds) {
    if (this.isLive) return;
    this.load().then(() => {
      this.audio.currentTime = Math.min(Math.max(seconds, 0), this.track.seconds - 0.05);
      this.show();
    });
  }

  step(event) {
    const by = { ArrowLeft: -2, ArrowRight: 2, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === " ") this.toggle();
    else if (by === undefined) return;
    else this.seek(this.audio.currentTime + by);
    event.preventDefault();
  }

  show() {
    const { width, height } = this.canvas;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    if (this.picture) pen.drawImage(this.picture, 0, 0);
    const at = (this.audio.currentTime / this.track.seconds) * width;
    pen.fillStyle = "rgba(255,255,255,.92)";
    pen.fillRect(Math.min(at, width - 3), 0, 3, height);
    const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
    this.clock.textContent = `${clock(this.audio.currentTime)} / ${clock(this.track.seconds)}`;
    this.canvas.setAttribute("aria-valuemax", Math.round(this.track.seconds));
    this.canvas.setAttribute("aria-valuenow", Math.round(this.audio.currentTime));
  }
}

addEventListener("pagehide", () => {
  sounding?.interrupt();
  api.tellAtLast();
});
