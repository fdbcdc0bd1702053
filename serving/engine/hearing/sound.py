"""Seventeen numbers of how music sounds and moves: what a listener's songs and their tracks are compared by.

Standard descriptors, each as textbooks define it or as this engine measures it elsewhere: spectral contrast by octaves
(Jiang et al. 2002), pulse clarity, prominence and rate of onsets, centroid, low end, fullness, share of what is struck
(Fitzgerald 2010), mode and tempo. Not for identity, and not for style: the tagger names that.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Final

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.rhythm import rhythm
from serving.engine.hearing.style import resample
from serving.engine.hearing.tonality import contrast_of_modes

# Which numbers these are: what was learned from others cannot be read by these.
KIND: Final = 2
# Stretches are heard one by one: what is long must not differ from what is short by its length alone.
STRETCH_S: Final = 4.0
RATE, WINDOW, HOP, BANDS = 16_000, 1024, 256, 96
LEVEL: Final = 0.1  # root mean square at which everything is heard
OCTAVES: Final = (80, 200, 400, 800, 1600, 3200, 8000)  # Hz, about
EXTREME: Final = 0.2  # of the bins of an octave: its peaks, and its floor
LOW_HZ: Final = 250.0
SOUNDING: Final = 1e-4  # of the loudest frame's energy
AROUND, BETWEEN = 41, 9  # frames about an onset that it rises out of, and that hold no other
STRUCK: Final = 17  # frames, and bands, of the median filters
NAMES: Final = (
    "contrast_200", "contrast_400", "contrast_800", "contrast_1600", "beat", "prominence",
    "contrast_80", "contrast_3200", "attack", "centroid", "low", "fullness", "change", "onsets", "struck", "mode",
    "tempo",
)  # fmt: skip
SOUND_SIZE: Final = len(NAMES)
# The first of them are clear tones and a clear pulse: there may be too little of that, never too much.
ENOUGH: Final = 6


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
    power = _power(resample(stretches, sample_rate, RATE))
    bpm, beat = rhythm(stretches, sample_rate)
    low, second, third, fourth, fifth, high = _contrast(power)
    prominence, attack, change, onsets = _onsets(power)
    mode = torch.tensor([contrast_of_modes(each, sample_rate) for each in stretches])
    centroid, bass, fullness = _spectrum(power)
    columns = (
        second, third, fourth, fifth, beat, prominence,
        low, high, attack, centroid, bass, fullness, change, onsets, _struck(power), mode,
        torch.log2(bpm / 60),
    )  # fmt: skip
    found: Tensor = torch.stack(columns, dim=1).mean(0)
    return found


def _power(waveform: Tensor) -> Tensor:
    """Power spectrogram [stretches, samples] -> [stretches, bins, frames]."""
    window = torch.hann_window(WINDOW)
    found: Tensor = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True, pad_mode="constant").abs()
    return found.square()


def _hertz() -> Tensor:
    return torch.linspace(0, RATE / 2, WINDOW // 2 + 1)


def _sounding(power: Tensor) -> Tensor:
    """1 for frames that sound at all [stretches, bins, frames] -> [stretches, frames]."""
    energy = power.sum(1)
    return (energy >= SOUNDING * energy.amax(1, keepdim=True)).float()


def _contrast(power: Tensor) -> tuple[Tensor, ...]:
    """Decibels by which the peaks of each octave stand above its floor, over frames that sound [stretches] each."""
    counts, hertz = _sounding(power), _hertz()
    found = []
    for lowest, highest in pairwise(OCTAVES):
        within = (hertz >= lowest) & (hertz < highest)
        bins = (10 * (power[:, within] + 1e-8).log10()).sort(1).values
        extreme = max(1, int(EXTREME * bins.shape[1]))
        apart = bins[:, -extreme:].mean(1) - bins[:, :extreme].mean(1)
        found.append((apart * counts).sum(1) / counts.sum(1))
    return tuple(found)


def _onsets(power: Tensor) -> tuple[Tensor, ...]:
    """Of the rise of the mel spectrum from frame to frame: its spread and its highest in units of its mean, its mean,
    and the root of its peaks a second [stretches] each."""
    log = torch.log10(1e4 * torch.matmul(_basis(), power) + 1)
    rise = log.diff(dim=2).clamp_min(0).mean(1)
    mean = rise.mean(1).clamp_min(1e-6)
    around = functional.avg_pool1d(rise[:, None], AROUND, 1, AROUND // 2, count_include_pad=False)[:, 0]
    highest = functional.max_pool1d(rise[:, None], BETWEEN, 1, BETWEEN // 2)[:, 0]
    peaks = ((rise == highest) & (rise > 1.6 * around)).sum(1)
    return rise.std(1) / mean, rise.quantile(0.98, dim=1) / mean, rise.mean(1), (peaks / STRETCH_S).sqrt()


def _spectrum(power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Octaves of the amplitude's centroid, nepers of the share below `LOW_HZ`, and the entropy over mel bands in nats
    [stretches] each."""
    counts, hertz, amplitude = _sounding(power), _hertz(), power.sqrt()
    centre = (amplitude * hertz[:, None]).sum(1) / amplitude.sum(1).clamp_min(1e-9)
    centroid = (centre.clamp_min(20).log2() * counts).sum(1) / counts.sum(1)
    mean = power.mean(2)
    low = ((mean[:, hertz < LOW_HZ].sum(1) + 1e-6) / (mean.sum(1) + 1e-6)).log()
    bands = torch.matmul(_basis(), power).sqrt().mean(2)
    fullness = torch.special.entr(bands / bands.sum(1, keepdim=True).clamp_min(1e-9)).sum(1)
    return centroid, low, fullness


def _struck(power: Tensor) -> Tensor:
    """Nepers by which what is steady over the bands outweighs what is steady over time [stretches]."""
    bands = torch.matmul(_basis(), power).sqrt()
    struck, held = _median(bands.transpose(1, 2)), _median(bands)
    return ((struck.square().sum((1, 2)) + 1e-6) / (held.square().sum((1, 2)) + 1e-6)).log()


def _median(rows: Tensor) -> Tensor:
    """Of the `STRUCK` values about each, along the last axis [stretches, rows, length]."""
    padded = functional.pad(rows, (STRUCK // 2, STRUCK // 2), mode="replicate")
    found: Tensor = padded.unfold(2, STRUCK, 1).median(3).values
    return found


@lru_cache
def _basis() -> Tensor:
    basis: Tensor = mel_filterbank(RATE, WINDOW, BANDS, 0.0, RATE / 2)
    return basis.float()
