// The picture of a track: its waveform, which is also the slider of where it plays.

import WaveSurfer from "../vendor/wavesurfer/wavesurfer.esm.js";
import { clock } from "../common/format.js";
import { t } from "../common/strings.js";

const STEP_S = 2;
const TALL = 56;
const BARS = 300;

export class Wave {
  // place: the slider's element; seek(seconds) and toggle() are what its keys and clicks do.
  constructor(place, seconds, { seek, toggle }) {
    this.place = place;
    this.seconds = seconds;
    this.at = 0;
    place.setAttribute("role", "slider");
    place.tabIndex = 0;
    place.setAttribute("aria-label", t.player.position);
    place.setAttribute("aria-valuemin", "0");
    place.onclick = (event) => seek((event.offsetX / place.clientWidth) * this.seconds);
    place.onkeydown = (event) => {
      const to = { ArrowLeft: this.at - STEP_S, ArrowRight: this.at + STEP_S, Home: 0, End: this.seconds }[event.key];
      if (event.key === " ") toggle();
      else if (to === undefined) return;
      else seek(to);
      event.preventDefault();
    };
    this.show(0, seconds);
  }

  // Draws a sound; resolves to its peaks, by which it can be drawn again without the sound.
  async draw(blob) {
    const picture = this.begin();
    await picture.loadBlob(blob);
    this.show(this.at, this.seconds);
    return picture.exportPeaks({ channels: 1, maxLength: BARS, precision: 100 });
  }

  async drawPeaks(peaks) {
    await this.begin().load("", peaks, this.seconds);
    this.show(this.at, this.seconds);
  }

  begin() {
    const colours = getComputedStyle(this.place);
    this.picture?.destroy();
    this.picture = WaveSurfer.create({
      container: this.place, height: this.place.clientHeight || TALL, interact: false, barWidth: 2, barGap: 1, barRadius: 2, normalize: true,
      waveColor: colours.getPropertyValue("--wave"), progressColor: colours.getPropertyValue("--accent"), cursorWidth: 0,
    });
    return this.picture;
  }

  show(at, seconds) {
    this.at = at;
    this.seconds = seconds;
    this.place.setAttribute("aria-valuemax", String(Math.round(seconds)));
    this.place.setAttribute("aria-valuenow", String(Math.round(Math.min(at, seconds))));
    this.place.setAttribute("aria-valuetext", t.player.of(clock(at), clock(seconds)));
    this.place.style.setProperty("--played", `${(at / seconds) * 100}%`);
    if (this.picture?.getDuration()) this.picture.setTime(Math.min(at, this.picture.getDuration()));
  }
}
