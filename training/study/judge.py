"""The program that lends the simulated listeners a published ear: `vibenet` 0.1.0 (EfficientNet, distilled on FMA).

    python training/study/judge.py

The package is under the GPL version 3. So this file, which reads the weights out of it, is a program of its own that no
other file imports: it is in no image, and the study talks to it over pipes only. Standard input: for each clip its
number of samples as a little-endian unsigned 32-bit integer, then so many 32-bit floats, mono at 16 kHz. Standard
output: for each clip one line of JSON, an object with the network's number for each of its seven labels.
"""

import json
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[np.float32]

LABELS = ("acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "valence")
SAMPLE_RATE, WINDOW, HOP, SIZE, BANDS = 16_000, 640, 320, 1024, 128
FLOOR, RANGE_DB = 1e-10, 80.0
# Slaney's mel scale: 200/3 Hz a step up to 1 kHz, from there on 27 steps to 6.4 times as much.
LINEAR_HZ, CORNER_HZ, OCTAVE_STEPS, OCTAVE = 200 / 3, 1000.0, 27, 6.4


def main() -> None:
    """Answers until standard input ends."""
    network, given = _network(), sys.stdin.buffer
    while header := given.read(4):
        (samples,) = struct.unpack("<I", header)
        clip = np.frombuffer(given.read(4 * samples), dtype="<f4")
        found = network.run(None, {"x": spectrogram(clip)[None]})[0][0]
        print(json.dumps(dict(zip(LABELS, map(float, found), strict=True))), flush=True)


def spectrogram(clip: Array) -> Array:
    """Decibels of the mel bands of each frame, cut off 80 below the loudest [samples] -> [bands, frames]."""
    clip = np.pad(clip, (0, max(0, WINDOW - len(clip))))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(clip, WINDOW)[::HOP] * window
    power = np.square(np.abs(np.fft.rfft(frames, SIZE)))
    level = 10 * np.log10(np.maximum(FLOOR, _filters() @ power.T))
    decibels: Array = np.maximum(level, level.max() - RANGE_DB).astype(np.float32)
    return decibels


def _filters() -> NDArray[np.float64]:
    """Triangles of equal area, evenly spaced on the mel scale up to half the sample rate [bands, frequencies]."""
    corner, step = CORNER_HZ / LINEAR_HZ, np.log(OCTAVE) / OCTAVE_STEPS
    top = corner + np.log(SAMPLE_RATE / 2 / CORNER_HZ) / step
    mels = np.linspace(0, top, BANDS + 2)
    edges = np.where(mels < corner, mels * LINEAR_HZ, CORNER_HZ * np.exp(step * (mels - corner)))
    hertz = np.linspace(0, SAMPLE_RATE / 2, SIZE // 2 + 1)
    low, middle, high = (edges[start : start + BANDS, None] for start in range(3))
    rise, fall = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    found: NDArray[np.float64] = np.maximum(0, np.minimum(rise, fall)) * 2 / (high - low)
    return found


def _network() -> onnxruntime.InferenceSession:
    package = find_spec("vibenet")
    if package is None or package.origin is None:
        sys.exit("judge: the package vibenet is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(Path(package.origin).parent / "artifacts" / "efficientnet_model.onnx", options)


if __name__ == "__main__":
    main()
