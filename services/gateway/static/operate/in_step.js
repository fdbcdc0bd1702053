// Two sounds that play in step, one of them heard, each with its spectrogram.

import WaveSurfer from "../vendor/wavesurfer/wavesurfer.esm.js";
import Spectrogram from "../vendor/wavesurfer/spectrogram.esm.js";
import { h } from "../common/dom.js";
import { t } from "../common/strings.js";

const TALL = 140;
const WAVE_TALL = 36;
const APART_S = 0.04; // how far the silent one may be off before it is put right
const HIGHEST_HZ = 10_000;

// files: the two as blobs; names: what they are called. Gives { element, close }.
export function inStep(files, names) {
  const words = t.operate.compare;
  const sounds = files.map((file) => Object.assign(new Audio(URL.createObjectURL(file)), { preload: "auto" }));
  let heard = 0;
  const pictures = names.map((name) => h("div", { class: "spectrogram", role: "img", "aria-label": words.picture(name) }));
  const switches = names.map((name, index) => h("button", { type: "button", class: "quiet", onclick: () => hear(index) }, words.hear(name)));
  const play = h("button", { type: "button", class: "play", "aria-label": t.player.play, onclick: () => (sounds[0].paused ? start() : stop()) });
  const hear = (index) => {
    heard = index;
    sounds.forEach((sound, at) => (sound.muted = at !== heard));
    switches.forEach((button, at) => button.setAttribute("aria-pressed", String(at === heard)));
  };
  const start = async () => {
    sounds[1].currentTime = sounds[0].currentTime;
    await Promise.all(sounds.map((sound) => sound.play()));
    play.dataset.sounds = "";
    play.setAttribute("aria-label", t.player.pause);
  };
  const stop = () => {
    sounds.forEach((sound) => sound.pause());
    delete play.dataset.sounds;
    play.setAttribute("aria-label", t.player.play);
  };
  sounds[0].ontimeupdate = () => {
    if (Math.abs(sounds[1].currentTime - sounds[0].currentTime) > APART_S) sounds[1].currentTime = sounds[0].currentTime;
  };
  sounds[0].onended = stop;
  hear(0);
  const element = h("div", { class: "in-step" },
    h("div", { class: "row" }, play, switches), names.map((name, index) => h("div", {}, h("h3", {}, name), pictures[index])));
  const seek = (seconds) => sounds.forEach((sound) => (sound.currentTime = seconds));
  let waves = [];
  requestAnimationFrame(() => (waves = pictures.map((place, index) => draw(place, sounds[index], seek))));
  const close = () => {
    stop();
    waves.forEach((wave) => wave.destroy());
    sounds.forEach((sound) => URL.revokeObjectURL(sound.src));
  };
  return { element, close };
}

function draw(place, media, seek) {
  const colours = getComputedStyle(place);
  const wave = WaveSurfer.create({
    container: place, media, height: WAVE_TALL, cursorWidth: 2, cursorColor: colours.getPropertyValue("--ink"),
    waveColor: colours.getPropertyValue("--wave"), progressColor: colours.getPropertyValue("--accent"),
    plugins: [Spectrogram.create({ height: TALL, scale: "mel", frequencyMax: HIGHEST_HZ, fftSamples: 1024, labels: false })],
  });
  wave.on("interaction", seek);
  return wave;
}
