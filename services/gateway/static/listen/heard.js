// Which stretches of a track were heard, told as play events. Positions are milliseconds of the track, so the speed of
// playing, a hidden tab and a computer that slept change nothing: what was passed over was heard, what was skipped not.

import uuid7 from "../vendor/uuid/v7.js";

const HEARTBEAT_MS = 5000;

export class Heard {
  // report(kind, data) takes each event; onHeard(ms) is told how much was heard in all plays so far.
  constructor(report, onHeard) {
    this.report = report;
    this.onHeard = onHeard;
    this.total = 0;
    this.playId = null;
    this.sounds = false;
  }

  get isPlay() { return this.playId !== null; }

  started(at) {
    this.from = this.upTo = at;
    this.sounds = true;
    const kind = this.isPlay ? "resumed" : "started";
    this.playId ??= uuid7();
    this.emit(kind, at);
  }

  // It sounds on and has come to this position.
  reached(at) {
    this.upTo = at;
    this.onHeard(this.total + Math.max(0, at - this.from));
    if (performance.now() - this.lastTold >= HEARTBEAT_MS) this.beat();
  }

  beat() {
    if (this.sounds) this.emit("heartbeat", this.upTo);
  }

  paused(at) {
    if (!this.sounds) return;
    this.upTo = at;
    this.emit("paused", at);
    this.sounds = false;
  }

  // Left one position for another.
  seeked(from, to) {
    if (!this.isPlay || from === to) return;
    if (this.sounds) this.upTo = from;
    this.emit("seeked", to);
    this.from = this.upTo = to;
  }

  completed(length) {
    if (!this.isPlay) return;
    if (this.sounds) this.upTo = length;
    this.emit("completed", length);
    this.over();
  }

  interrupted(at) {
    if (!this.isPlay) return;
    if (this.sounds) this.upTo = at;
    this.emit("interrupted", at);
    this.over();
  }

  over() {
    this.playId = null;
    this.sounds = false;
  }

  emit(kind, position) {
    this.lastTold = performance.now();
    const heard = this.sounds && this.upTo > this.from ? { from_ms: this.from, to_ms: this.upTo } : null;
    if (heard) this.total += heard.to_ms - heard.from_ms;
    this.from = this.upTo;
    this.onHeard(this.total);
    this.report(kind, { play_id: this.playId, position_ms: position, ...(heard && { heard }) });
  }
}
