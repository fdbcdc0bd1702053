"""Brighter or darker, with more bass or less: two shelves over a waveform that may come piece by piece.

Shelving filters of the second order (Bristow-Johnson, "Audio EQ Cookbook", slope 1). They hear nothing of what is to
come, so a stream and the finished file have the same samples. Not for loudness: whoever filters levels afterwards.
"""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BASS_HZ: Final = 200.0
TREBLE_HZ: Final = 2000.0


class Shelves:
    """Filters one waveform; give it the pieces in order. Decibels of 0 leave every sample as it is."""

    def __init__(self, bass_db: float, treble_db: float, sample_rate: int) -> None:
        self._flat = not (bass_db or treble_db)
        self._sections = np.stack([
            _shelf(bass_db, 2 * math.pi * BASS_HZ / sample_rate, -1.0),
            _shelf(treble_db, 2 * math.pi * TREBLE_HZ / sample_rate, 1.0),
        ])  # fmt: skip
        self._state = np.zeros((2, 2))

    def add(self, samples: Tensor) -> Tensor:
        """The next samples, filtered, float32 [samples]; in pieces or at once they come out alike, to the bit."""
        from scipy.signal import sosfilt

        if self._flat:
            return samples
        found, self._state = sosfilt(self._sections, samples.double().numpy(), zi=self._state)
        return torch.from_numpy(found.astype(np.float32))


def _shelf(gain_db: float, angle: float, side: float) -> NDArray[np.float64]:
    """Six coefficients of a shelf above (`side` 1) or below (-1) an angle in radians a sample."""
    root = 10 ** (gain_db / 40)
    more, less = root + 1, root - 1
    cosine, bend = side * math.cos(angle), math.sqrt(2 * root) * math.sin(angle)
    raised, kept = more + less * cosine, more - less * cosine
    above = root * np.array([raised + bend, -2 * side * (less + more * cosine), raised - bend])
    below = np.array([kept + bend, 2 * side * (less - more * cosine), kept - bend])
    found: NDArray[np.float64] = np.concatenate([above, below]) / below[0]
    return found
