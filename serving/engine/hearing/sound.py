"""Twenty numbers of how music sounds and moves: what a listener's songs and their tracks are compared by.

The shape of the spectrum, of its spread over time and of its changes from frame to frame (cepstra of each), tempo, beat
strength, mode and the swing of the level. Standard descriptors, each as this engine measures it elsewhere or as any
textbook does. Not for identity, and not for style: the tagger names that.
"""

import math
from functools import lru_cache
from typing import Final

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor

from serving.engine.hearing.rhythm import rhythm
from serving.engine.hearing.style import resample
from serving.engine.hearing.tonality import contrast_of_modes

# Stretches are heard one by one: what is long must not differ from what is short by its length alone.
STRETCH_S: Final = 4.0
RATE, WINDOW, HOP, BANDS = 16_000, 512, 256, 96
LEVEL: Final = 0.1  # root mean square at which everything is heard
SHAPE, SPREAD, CHANGE = 8, 4, 4
SOUND_SIZE: Final = SHAPE + SPREAD + CHANGE + 4
# What one listener's tracks differ by: deviations about the listener's own mean, 24 listeners with 42 tracks each of
# the shipped base.
USUAL: Final = (
    0.222, 0.089, 0.081, 0.060, 0.061, 0.060, 0.055, 0.049, 0.119, 0.049, 0.040, 0.032, 0.048, 0.0135, 0.0123, 0.0091,
    0.330, 0.128, 0.149, 0.061,
)  # fmt: skip


@torch.inference_mode()
def sound_of(waveform: Tensor, sample_rate: int) -> Tensor:
    """The mean of each number over stretches of four seconds.

    Args:
        waveform: mono; what is shorter than a stretch is heard as if it went round [samples].
        sample_rate: of the waveform.

    Returns:
        float32 [SOUND_SIZE].
    """
    size = round(STRETCH_S * sample_rate)
    level = waveform.float() * (LEVEL / waveform.float().square().mean().sqrt().clamp_min(1e-6))
    whole = level.repeat(-(-size // len(level))) if len(level) < size else level
    stretches = whole[: len(whole) // size * size].reshape(-1, size)
    spectrum = _log_mel(resample(stretches, sample_rate, RATE))
    bpm, strength = rhythm(stretches, sample_rate)
    columns = [
        _cepstrum(spectrum.mean(1), SHAPE),
        _cepstrum(spectrum.std(1), SPREAD),
        _cepstrum(spectrum.diff(dim=1).abs().mean(1), CHANGE),
        torch.log2(bpm / 60)[:, None],
        strength[:, None],
        torch.tensor([[contrast_of_modes(each, sample_rate)] for each in stretches]),
        spectrum.mean(2).std(1)[:, None],
    ]
    found: Tensor = torch.cat(columns, dim=1).mean(0)
    return found


def _log_mel(waveform: Tensor) -> Tensor:
    """Compressed mel power [stretches, samples] -> [stretches, frames, BANDS]."""
    window = torch.hann_window(WINDOW)
    power = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True, pad_mode="constant").abs().square()
    log: Tensor = torch.log10(1e4 * torch.matmul(_basis(), power) + 1).transpose(1, 2)
    return log


def _cepstrum(bands: Tensor, count: int) -> Tensor:
    """The first cosine coefficients over the bands [stretches, BANDS] -> [stretches, count]."""
    places = torch.arange(BANDS) + 0.5
    waves = torch.cos(math.pi / BANDS * torch.arange(count)[:, None] * places)
    return bands @ waves.T * (2 / BANDS)


@lru_cache
def _basis() -> Tensor:
    basis: Tensor = mel_filterbank(RATE, WINDOW, BANDS, 0.0, RATE / 2)
    return basis
