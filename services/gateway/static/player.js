// Plays one track, draws it, and tells which stretches of it were heard.

import * as api from "./api.js";
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
    this.audio = new Audio();
    this.heardMs = 0;
    this.playId = null;
    this.button.onclick = () => this.toggle();
    this.canvas.onclick = (event) => this.seek((event.offsetX / this.canvas.clientWidth) * this.track.seconds);
    this.canvas.onkeydown = (event) => this.step(event);
    this.audio.onplay = () => this.started();
    this.audio.onpause = () => this.stopped("paused");
    this.audio.onseeking = () => this.seeked();
    this.audio.onended = () => this.ended();
    this.show();
  }

  get lengthMs() { return Math.ceil(this.track.seconds * 1000); }
  get positionMs() { return Math.min(Math.round(this.audio.currentTime * 1000), this.lengthMs); }

  async load() {
    this.loading ??= this.fetchAndPaint();
    return this.loading;
  }

  async fetchAndPaint() {
    const blob = await api.audio(this.track.track_id);
    this.audio.src = URL.createObjectURL(blob);
    const decoder = new OfflineAudioContext(1, 1, 22050);
    const sound = await decoder.decodeAudioData(await blob.arrayBuffer());
    this.picture = paintSpectrogram(sound.getChannelData(0), sound.sampleRate, this.canvas.width, this.canvas.height);
    this.show();
  }

  async toggle() {
    await this.load();
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
    this.audio.currentTime = 0;
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
    api.tell(this.listenerId, `encore.play.${kind}`, heard ? { ...data, heard } : data).catch(console.warn);
  }

  seek(seconds) {
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
