"""How true tones and chords are to one key: harmonic consistency.

Two things, multiplied. Tones of one tuning lie whole semitones apart: the mean resultant length of the spectral peaks'
places between two semitones (circular statistics, Fisher 1993, equation 2.7), which no tuning as such lowers. And every
two seconds fit the key of the whole, by the correlation of `tonality`: the key clarity of Lartillot and Toiviainen
(2007), held against one key. Not for taste: music that changes key, or slides, may be good and has less of it.
"""

from typing import Final

import torch
from torch import Tensor

from serving.engine.hearing.tonality import HOP, WINDOW, key_fits, tones_heard

STRETCH_S: Final = 2.0
AUDIBLE: Final = 0.02  # of a frame's strongest peak: what is less is the side of another
LEAST_S: Final = 1.0


@torch.inference_mode()
def harmony(waveform: Tensor, sample_rate: int) -> float | None:
    """In [0, 1]: 1 where every tone lies on one grid of semitones and every stretch is the key's own profile.

    Args:
        waveform: mono [samples].
        sample_rate: of the waveform.

    Returns:
        None of less than a second, or where nothing sounds.
    """
    if len(waveform) < max(LEAST_S * sample_rate, WINDOW):
        return None
    pitches, strengths = tones_heard(waveform.float(), sample_rate)
    strengths = strengths * (strengths > AUDIBLE * strengths.amax(0))
    if not bool(strengths.any()):
        return None
    turned = torch.polar(strengths, 2 * torch.pi * pitches)
    in_tune = float(turned.sum().abs() / strengths.sum())
    return in_tune * (1 + _in_key(pitches, strengths, round(STRETCH_S * sample_rate / HOP))) / 2


def _in_key(pitches: Tensor, strengths: Tensor, size: int) -> float:
    """Mean correlation of stretches of so many frames with the profile of the whole's key, in [-1, 1]."""
    classes = torch.zeros(12, strengths.shape[1]).scatter_add_(0, pitches.round().long() % 12, strengths)
    stretches = torch.stack([part.sum(1) for part in torch.split(classes, size, 1)])
    sounding = stretches[stretches.sum(1) > 0]
    return float(key_fits(sounding)[:, key_fits(classes.sum(1)).argmax()].mean())
