// Cross-fade: while one track ends, the next one begins. Each tells what of it was heard, however loud it was.

const KEPT = "encore-fade";
const STEP_MS = 50;
const SHARE = 1 / 4; // of a track, at most
const LEAST_S = 0.3; // shorter is none

export const FADES_S = [0, 2, 5];

// The seconds that this browser's listener chose. Off at first: a track is rated as it is, with its own beginning and end.
export const fade = () => Number(localStorage.getItem(KEPT) ?? FADES_S[0]);
export const setFade = (seconds) => localStorage.setItem(KEPT, String(seconds));

// Pure: how many seconds an item passes into the next. What is compared is heard alone, so that neither is judged by the other.
export function passing(seconds, item, next) {
  if ([item, next].some(({ pair, four }) => pair || four)) return 0;
  return Math.min(seconds, SHARE * item.track.seconds, SHARE * next.track.seconds);
}

// Whether a track with so many seconds left is to pass into the next now.
export const isTime = (left, length) => left <= length && left >= LEAST_S;

export class Fade {
  // from and to: players, of which the second is about to begin.
  constructor(from, to) {
    Object.assign(this, { from, to, length: from.track.seconds - from.at, began: false });
    to.beside = from;
    to.audio.volume = 0;
    from.onEnd = () => this.end();
    this.timer = setInterval(() => this.step(), STEP_MS);
  }

  // Together as loud as one (equal power). Who pauses what begins wants silence, not the rest of what ends.
  step() {
    this.began ||= this.to.isSounding;
    if (this.began && !this.to.isSounding) return this.end();
    const part = Math.min(1, Math.max(0, 1 - (this.from.track.seconds - this.from.at) / this.length));
    this.from.audio.volume = Math.cos((part * Math.PI) / 2);
    this.to.audio.volume = Math.sin((part * Math.PI) / 2);
    return undefined;
  }

  end() {
    clearInterval(this.timer);
    this.from.close();
    this.from.audio.volume = this.to.audio.volume = 1;
    this.to.beside = null;
  }
}
