"""How a track hangs together over time: temporal coherence.

Two things, multiplied. Tones go on from one moment to the next: 1 less half of von Neumann's ratio (1941), the mean
square of successive differences over the variance, of what sounds on each semitone. And windows of about six seconds
sound alike: their spectra vary no more than real music's do. Shuffled bars break the first, a window of other music the
second. Not for form: a piece that means to change has less of it.
"""

import math
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from serving.engine.hearing.tonality import tones_heard

LEAST_S: Final = 6.0
WINDOW, HOP, BANDS = 2048, 512, 30
LOWEST_HZ, HIGHEST_HZ = 40.0, 10_000.0
WINDOW_S: Final = 6.0
FLOOR: Final = 1e-6  # of the mean power of a band
ALIKE_DB, APART_DB = 2.5, 5.0  # by which windows may vary at no cost, and what costs two fifths beyond
SEMITONES: Final = 60  # from the lowest tone that is heard, 80 Hz


@torch.inference_mode()
def coherence(waveform: Tensor, sample_rate: int) -> float | None:
    """In [0, 1]; 0 where moments follow one another as if drawn by lot.

    Args:
        waveform: mono [samples].
        sample_rate: of the waveform.

    Returns:
        None of less than six seconds, or of silence.
    """
    if len(waveform) < LEAST_S * sample_rate or not bool(waveform.any()):
        return None
    levels = _levels(waveform.float(), sample_rate)
    count = max(2, round(len(waveform) / sample_rate / WINDOW_S))
    size = len(levels) // count
    windows = levels[: count * size].reshape(count, size, BANDS).mean(1)
    # How loud a window is counts for nothing, only how it sounds.
    varied = float((windows - windows.mean(1, keepdim=True)).var(0, correction=0).mean())
    apart = max(0.0, varied - ALIKE_DB**2) / APART_DB**2
    return _continuity(_notes(waveform.float(), sample_rate)) * math.exp(-apart / 2)


def _continuity(moments: Tensor) -> float:
    """In [0, 1]: 1 of what stays, about 0 of what is drawn by lot [moments, numbers]."""
    varied = float(moments.var(0, correction=0).sum())
    if varied == 0:
        return 1.0
    return max(0.0, 1 - float(moments.diff(dim=0).square().sum(1).mean()) / (2 * varied))


def _levels(waveform: Tensor, sample_rate: int) -> Tensor:
    """Decibels of bands that are evenly spaced in octaves [samples] -> [frames, bands]."""
    power = torch.stft(waveform, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True).abs().square()
    edges = torch.logspace(math.log10(LOWEST_HZ), math.log10(HIGHEST_HZ), BANDS + 1) * WINDOW / sample_rate
    ranges = [(low, max(low + 1, high)) for low, high in pairwise(edges.long().tolist())]
    bands = torch.stack([power[low:high].mean(0) for low, high in ranges])
    return 10 * bands.clamp_min(FLOOR * float(bands.mean())).log10().T


def _notes(waveform: Tensor, sample_rate: int) -> Tensor:
    """Square root of what sounds on each semitone [samples] -> [frames, semitones]."""
    pitches, strengths = tones_heard(waveform, sample_rate)
    rows = (pitches.round().long() - 39).clamp(0, SEMITONES - 1)
    return torch.zeros(SEMITONES, strengths.shape[1]).scatter_add_(0, rows, strengths).sqrt().T
