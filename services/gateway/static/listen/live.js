// The sound of a track that is still being made: what has come plays at once, what comes later follows without a gap.
// It is used like an audio element, but cannot be sought.

import { call } from "../common/http.js";

const RATE = 22050; // of the engine's parts; a context of the same rate joins them sample by sample
const HEADER_BYTES = 44;
const LEAD_S = 0.1; // from handing over the first sound, or the first after a pause for want of any, to hearing it
const ROUNDING_S = 0.01;

export class LiveSound {
  constructor(trackId) {
    this.trackId = trackId;
    this.paused = true;
    this.ended = this.broken = this.seeking = this.complete = false;
    this.length = 0; // seconds that have come
    this.began = -Infinity; // when second 0 sounded, moved on by the pauses for want of sound
    this.closing = new AbortController();
  }

  get currentTime() {
    return this.context ? Math.max(0, Math.min(this.context.currentTime - this.began, this.length)) : 0;
  }

  async play() {
    this.paused = false;
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: RATE });
      this.receive().then(() => this.completed(), (error) => this.brokeOff(error));
    }
    await this.context.resume();
    this.onplay();
  }

  pause() {
    if (this.paused) return;
    this.paused = true;
    this.context.suspend();
    this.onpause();
  }

  close() {
    this.closing.abort();
    this.context?.close();
  }

  async receive() {
    const answer = await call("GET", `/v1/tracks/${this.trackId}/audio?live=1`, undefined, { signal: this.closing.signal });
    if (!answer.headers.get("content-type").startsWith("audio/wav")) { // it has just been finished
      this.append((await this.context.decodeAudioData(await answer.arrayBuffer())).getChannelData(0));
      return;
    }
    const reader = answer.body.getReader();
    let odd = new Uint8Array(), header = HEADER_BYTES;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const fresh = value.subarray(header);
      header -= value.length - fresh.length;
      const bytes = new Uint8Array(odd.length + fresh.length);
      bytes.set(odd);
      bytes.set(fresh, odd.length);
      odd = bytes.subarray(bytes.length & ~1);
      if (bytes.length > 1) this.append(Float32Array.from(new Int16Array(bytes.buffer, 0, bytes.length >> 1), (n) => n / 32768));
    }
  }

  append(samples) {
    const buffer = this.context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const now = this.context.currentTime;
    if (this.began + this.length < now) this.began = now + LEAD_S - this.length;
    this.last = new AudioBufferSourceNode(this.context, { buffer });
    this.last.connect(this.context.destination);
    this.last.onended = ({ target }) => { if (target === this.last) this.soundedAll(); };
    this.last.start(this.began + this.length);
    this.length += buffer.duration;
  }

  completed() {
    this.complete = true;
    this.soundedAll();
  }

  brokeOff(error) {
    console.warn(error);
    this.broken = true;
    this.pause();
  }

  soundedAll() {
    if (!this.complete || this.ended || this.currentTime < this.length - ROUNDING_S) return;
    this.ended = this.paused = true;
    this.onended();
  }
}
