// A picture of a sound: time to the right, pitch upwards (log scale), brightness for loudness in decibels.

const SIZE = 1024;
const LOWEST_HZ = 55;
const FLOOR_DB = -75;

export function paintSpectrogram(samples, rate, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const bins = rowsToBins(height, rate);
  const columns = Array.from({ length: width }, (_, x) =>
    spectrum(samples, Math.floor((x / width) * samples.length) - SIZE / 2));
  const loudest = columns.reduce((most, column) => column.reduce((a, b) => Math.max(a, b), most), 1e-12);
  columns.forEach((column, x) => {
    for (let y = 0; y < height; y++) {
      const db = 10 * Math.log10(column[bins[y]] / loudest + 1e-12);
      image.data.set(colour(Math.max(0, 1 - db / FLOOR_DB)), (y * width + x) * 4);
    }
  });
  pen.putImageData(image, 0, 0);
  return canvas;
}

function rowsToBins(height, rate) {
  const octaves = Math.log2(rate / 2 / LOWEST_HZ);
  return Array.from({ length: height }, (_, y) => {
    const hz = LOWEST_HZ * 2 ** (octaves * (1 - y / height));
    return Math.min(SIZE / 2 - 1, Math.max(1, Math.round((hz / rate) * SIZE)));
  });
}

// Power of each frequency in a Hann window that starts at `from`.
function spectrum(samples, from) {
  const re = new Float32Array(SIZE), im = new Float32Array(SIZE);
  for (let n = 0; n < SIZE; n++) {
    re[n] = (samples[from + n] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE));
  }
  fft(re, im);
  return Float32Array.from({ length: SIZE / 2 }, (_, k) => re[k] ** 2 + im[k] ** 2);
}

// Cooley and Tukey's radix-2 transform, in place.
function fft(re, im) {
  for (let i = 1, j = 0; i < SIZE; i++) {
    let bit = SIZE >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j], re[i]];
  }
  for (let span = 2; span <= SIZE; span <<= 1) {
    const angle = (-2 * Math.PI) / span, half = span / 2;
    for (let k = 0; k < half; k++) {
      const c = Math.cos(angle * k), s = Math.sin(angle * k);
      for (let i = k; i < SIZE; i += span) {
        const j = i + half;
        const x = re[j] * c - im[j] * s, y = re[j] * s + im[j] * c;
        re[j] = re[i] - x; im[j] = im[i] - y;
        re[i] += x; im[i] += y;
      }
    }
  }
}

const STOPS = [[18, 14, 32], [72, 32, 102], [176, 58, 92], [240, 138, 56], [255, 236, 170]];

function colour(level) {
  const at = Math.min(level, 0.9999) * (STOPS.length - 1), low = STOPS[Math.floor(at)], high = STOPS[Math.floor(at) + 1];
  return [...low.map((value, channel) => value + (high[channel] - value) * (at % 1)), 255];
}
