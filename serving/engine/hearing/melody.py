"""Which notes sound when, and how closely a stretch of one sound repeats a stretch of another.

The energy of spectral peaks on each semitone, five times a second; two stretches are compared by the correlation of
what moves in them, over small changes of pitch and tempo. After the shingles of Casey, Rhodes and Slaney (2008, IEEE
TASLP 16), with semitones in place of pitch classes: whole chord sequences are anybody's. Not for style: see `style`.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.style import resample

RATE: Final = 11_025
WINDOW: Final = 2048
HOP: Final = RATE // 5
FRAMES_A_SECOND: Final = RATE / HOP
LOWEST: Final = 43  # the MIDI note of the first row: 98 Hz, where a semitone is as wide as a bin of 5.4 Hz
NOTES: Final = 52  # up to 1,865 Hz
STRETCH_S, APART_S = 8.0, 1.0
LEAST_S: Final = 6.0
"""Shorter sounds are not compared: so little is easily anybody's."""
MOST_STRETCHES: Final = 16
SMOOTHED: Final = (1.0, 2.0, 3.0, 2.0, 1.0)  # over looks of a tenth of a second
COMPRESSED: Final = 3.0
TURNED: Final = (-2, -1, 0, 1, 2)  # semitones
PACES: Final = (0.95, 1.0, 1.05)
STILL: Final = 0.05  # deviation below which nothing moves that could be compared
_EDGE: Final = max(TURNED)


@torch.inference_mode()
def notes_of(waveform: Tensor, sample_rate: int) -> Tensor:
    """How strongly each semitone sounds over time, in [0, 1].

    Args:
        waveform: mono [samples].
        sample_rate: of the waveform.

    Returns:
        float32 [frames, NOTES], five frames a second.
    """
    audio = resample(waveform.float()[None], sample_rate, RATE)[0]
    size = max(len(audio), WINDOW)
    audio = functional.pad(audio, (0, size - len(audio)))
    spectrum = torch.stft(audio, WINDOW, HOP // 2, window=torch.hann_window(WINDOW), return_complex=True).abs()
    below, here, above = spectrum[:-2], spectrum[1:-1], spectrum[2:]
    peaks = here * ((here > below) & (here >= above))
    hertz = torch.arange(1, len(spectrum) - 1) * RATE / WINDOW
    low, middle, high = (part.clamp_min(1e-9).log() for part in (below, here, above))
    offset = (0.5 * (low - high) / (low - 2 * middle + high).clamp_max(-1e-6)).clamp(-0.5, 0.5)
    pitch = 69 + 12 * torch.log2((hertz[:, None] + offset * RATE / WINDOW) / 440)
    row = pitch.round().long() - LOWEST
    within = (row >= 0) & (row < NOTES)
    sums = torch.zeros(NOTES, spectrum.shape[1])
    sums.scatter_add_(0, row.clamp(0, NOTES - 1), peaks * within)
    # Two looks a frame, and each reaches into its neighbours: where frames begin must not matter.
    kernel = torch.tensor(SMOOTHED)[None, None] / sum(SMOOTHED)
    smooth = functional.conv1d(sums[:, None], kernel, padding=len(SMOOTHED) // 2)[:, 0, ::2].T
    loud = smooth / smooth.amax().clamp_min(1e-6)
    found: Tensor = torch.log1p(COMPRESSED * loud) / math.log1p(COMPRESSED)
    return found


@torch.inference_mode()
def repeated(track: Tensor, song: Tensor) -> float:
    """The highest correlation of a stretch of one with a stretch of the other, in [0, 1]; 0 where nothing moves, or one
    is too short.

    Args:
        track: notes of what was made [frames, NOTES].
        song: notes of what it may repeat [frames, NOTES].
    """
    size = min(round(STRETCH_S * FRAMES_A_SECOND), len(track), len(song))
    if size < round(LEAST_S * FRAMES_A_SECOND):
        return 0.0
    asked = _stretches(track, size)
    if not len(asked):
        return 0.0
    best = 0.0
    for turn in TURNED:
        rows = song[:, _EDGE + turn : NOTES - _EDGE + turn].T
        along = functional.conv1d(rows[None], asked)[0]
        best = max(best, float((along / _moving(rows, size)).max()))
    return best


def _stretches(track: Tensor, size: int) -> Tensor:
    """Stretches at each pace, less the mean of each note and at length 1 [n, notes, size]."""
    inner = track[:, _EDGE : NOTES - _EDGE].T
    found = []
    for pace in PACES:
        wide = min(round(size * pace), len(track))
        left = len(track) - wide
        starts = range(0, left + 1, max(round(APART_S * FRAMES_A_SECOND), -(-left // (MOST_STRETCHES - 1))))
        cut = torch.stack([inner[:, start : start + wide] for start in starts])
        found.append(functional.interpolate(cut, size, mode="linear", align_corners=True))
    stretches = torch.cat(found)
    moving = stretches - stretches.mean(2, keepdim=True)
    length = moving.square().sum((1, 2), keepdim=True).sqrt()
    moves = length.flatten() > STILL * moving[0].numel() ** 0.5
    kept: Tensor = (moving / length.clamp_min(1e-9))[moves]
    return kept


def _moving(rows: Tensor, size: int) -> Tensor:
    """Length of each stretch less the mean of each note [notes, frames] -> [positions]; infinite where it is still."""
    ones = torch.ones(len(rows), 1, size)
    sums = functional.conv1d(rows[None], ones, groups=len(rows))[0]
    squares = functional.conv1d(rows.square()[None], ones, groups=len(rows))[0]
    length = (squares - sums.square() / size).clamp_min(0).sum(0).sqrt()
    return length.masked_fill(length <= STILL * (len(rows) * size) ** 0.5, float("inf"))
