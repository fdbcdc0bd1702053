"""What a log-mel spectrogram tells of how music would sound, without its waveform: a third of what hearing it costs.

About the numbers of `hearing.sound`, each as far as frames of 93 ms and bands of a mel scale show it; how one follows
from the others is fitted for a base (`bases.shipped.sketch`). Not for what is stored or learned from.
"""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.sound import EXTREME, LOW_HZ, OCTAVES, SOUNDING
from serving.engine.hearing.tonality import HIGHEST_HZ, LOWEST_HZ, key_fits

LEAST_S: Final = 4.0  # what is shorter is read as if it went round
LEVELS: Final = (10.0, 1000.0)  # above the mean power at which a rise counts: only what is loud, and nearly all
AROUND_S, BETWEEN_S, LOCAL_S = 0.67, 0.16, 1.0  # about an onset: what it rises out of, where no other is, its mean
FASTEST_S, SLOWEST_S = 0.3, 1.55  # of beats
NAMES: Final = (
    *(f"contrast_{hertz}" for hertz in OCTAVES[:-1]),
    *(
        f"{name}_{level:g}"
        for level in LEVELS
        for name in ("spread", "prominence", "attack", "log_attack", "onsets", "beat")
    ),
    "centroid", "low", "fullness", "struck", "mode",
)  # fmt: skip


@torch.inference_mode()
def sketched(mel: Tensor, hertz: Tensor, frames_per_second: float) -> Tensor:
    """The numbers of `NAMES`, whatever the level.

    Args:
        mel: natural logarithms of mel magnitudes [rows, bands, frames].
        hertz: the middle of each band [bands].
        frames_per_second: of the spectrogram.

    Returns:
        [rows, len(NAMES)].
    """
    least = round(LEAST_S * frames_per_second)
    whole = mel.repeat(1, 1, -(-least // mel.shape[2])) if mel.shape[2] < least else mel
    power = whole.float().exp().square()
    power = power / power.mean((1, 2), keepdim=True)
    onsets = [each for level in LEVELS for each in _onsets(torch.log10(level * power + 1), frames_per_second)]
    return torch.stack([*_contrast(power, hertz), *onsets, *_shape(power, hertz), _mode(power, hertz)], dim=1)


def _contrast(power: Tensor, hertz: Tensor) -> list[Tensor]:
    """Decibels by which the peaks of each octave stand above its floor, over frames that sound [rows] each."""
    counts = _sounding(power)
    found = []
    for lowest, highest in pairwise(OCTAVES):
        bands = (10 * (power[:, (hertz >= lowest) & (hertz < highest)] + 1e-6).log10()).sort(1).values
        extreme = max(1, int(EXTREME * bands.shape[1]))
        apart = bands[:, -extreme:].mean(1) - bands[:, :extreme].mean(1)
        found.append((apart * counts).sum(1) / counts.sum(1))
    return found


def _sounding(power: Tensor) -> Tensor:
    """1 for frames that sound at all [rows, bands, frames] -> [rows, frames]."""
    energy = power.sum(1)
    return (energy >= SOUNDING * energy.amax(1, keepdim=True)).float()


def _onsets(loudness: Tensor, rate: float) -> list[Tensor]:
    """Of the rise from frame to frame: its spread and its highest in units of its mean, its mean as it is and as a
    logarithm, the root of its peaks a frame, and how clear its beat is [rows] each."""
    rise = loudness.diff(dim=2).clamp_min(0).mean(1)
    mean = rise.mean(1).clamp_min(1e-6)
    between = _odd(BETWEEN_S * rate)
    highest = functional.max_pool1d(rise[:, None], between, 1, between // 2)[:, 0]
    peaks = ((rise == highest) & (rise > 1.6 * _around(rise, AROUND_S * rate))).float().mean(1)
    spread, top = rise.std(1) / mean, rise.quantile(0.98, dim=1) / mean
    return [spread, top, mean, mean.log(), peaks.sqrt(), _beat(rise - _around(rise, LOCAL_S * rate), rate)]


def _beat(envelope: Tensor, rate: float) -> Tensor:
    """The highest autocorrelation at a lag between two beats [rows, frames] -> [rows]."""
    frames = envelope.shape[1]
    spectrum = torch.fft.rfft(envelope - envelope.mean(1, keepdim=True), 2 * frames)
    raw = torch.fft.irfft(spectrum.abs().square())[:, :frames] / torch.arange(frames, 0, -1)
    correlation = raw / raw[:, :1].clamp_min(1e-12)
    found: Tensor = correlation[:, round(FASTEST_S * rate) : round(SLOWEST_S * rate) + 1].amax(1)
    return found


def _shape(power: Tensor, hertz: Tensor) -> list[Tensor]:
    """Octaves of the centroid, nepers of the share below `LOW_HZ`, the entropy over bands in nats, and nepers by which
    frames differ more than bands do [rows] each."""
    amplitude, mean, counts = power.sqrt(), power.mean(2), _sounding(power)
    centre = (amplitude * hertz[:, None]).sum(1) / amplitude.sum(1).clamp_min(1e-9)
    centroid = (centre.clamp_min(20).log2() * counts).sum(1) / counts.sum(1)
    low = ((mean[:, hertz < LOW_HZ].sum(1) + 1e-6) / (mean.sum(1) + 1e-6)).log()
    bands = amplitude.mean(2)
    fullness = torch.special.entr(bands / bands.sum(1, keepdim=True)).sum(1)
    turns = [amplitude.diff(dim=axis).abs().mean((1, 2)) + 1e-6 for axis in (2, 1)]
    return [centroid, low, fullness, (turns[0] / turns[1]).log()]


def _mode(power: Tensor, hertz: Tensor) -> Tensor:
    """By how much the best major key fits better than the best minor one, in [-2, 2] [rows]."""
    counts = (hertz > LOWEST_HZ) & (hertz < HIGHEST_HZ)
    pitches = (69 + 12 * torch.log2(hertz[counts] / 440)).round().long() % 12
    strengths = power[:, counts].sqrt().mean(2)
    classes = torch.zeros(len(power), 12).index_add_(1, pitches, strengths)
    major, minor = key_fits(classes).reshape(-1, 2, 12).amax(2).unbind(1)
    return major - minor


def _around(values: Tensor, frames: float) -> Tensor:
    """The mean of so many values about each, of an odd number of them [rows, frames]."""
    size = _odd(frames)
    found: Tensor = functional.avg_pool1d(values[:, None], size, 1, size // 2, count_include_pad=False)[:, 0]
    return found


def _odd(frames: float) -> int:
    return 2 * round(frames / 2 - 0.5) + 1
