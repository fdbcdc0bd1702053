"""How clean a recording sounds: production quality, as far as noise, clipping and gaps go.

Each fault takes away a factor. Noise: how far the peaks of a spectrum stand above its valleys, as spectral contrast
does (Jiang et al. 2002), here over the whole spectrum. Clipping: samples on a flat top, which no instrument has. Gaps:
falls of the level that are faster than any string, room or drum dies away. Not for taste: hiss may be wanted.
"""

from typing import Final

import torch
from torch import Tensor

WINDOW: Final = 1024
VALLEY: Final = 0.2  # of the bins lie in the valleys
SILENT: Final = 1e-3  # of the mean power: a frame with less is not asked how noisy it is
NOISY_DB, CLEAN_DB = 20.0, 90.0
LOUD, FLAT = 0.5, 1e-4  # of the highest sample: where tops count, and what neighbours on one differ by
CLIPPED: Final = 0.002  # share of samples that halves the reward
PIECE_S: Final = 0.005
FALL_DB, LOWEST_DB = 30.0, -60.0
GAPS: Final = 0.2  # a second: so many halve the reward
LEAST_S: Final = 1.0


@torch.inference_mode()
def production(waveform: Tensor, sample_rate: int) -> float | None:
    """In [0, 1]: 1 of a sound whose valleys lie `CLEAN_DB` below its mean, without a flat top or a gap.

    Args:
        waveform: mono, at any level [samples].
        sample_rate: of the waveform.

    Returns:
        None of less than a second, or of silence.
    """
    level = waveform.float().square().mean().sqrt()
    if len(waveform) < LEAST_S * sample_rate or not level > 0:
        return None
    sound = waveform.float() / level
    return _clean(sound) * _unclipped(sound) * _whole(sound, sample_rate)


def _clean(sound: Tensor) -> float:
    """How far valleys lie below the mean of the spectrum, over frames that sound, in [0, 1] [samples]."""
    spectrum = torch.stft(sound, WINDOW, WINDOW, window=torch.hann_window(WINDOW), return_complex=True)
    power = spectrum.abs().square()
    mean = power.mean(0)
    valleys = power.kthvalue(round(VALLEY * len(power)), dim=0).values
    sounding = mean > SILENT * mean.mean()
    deep = 10 * (mean[sounding] / valleys[sounding].clamp_min(1e-12)).log10().median()
    return float(((deep - NOISY_DB) / (CLEAN_DB - NOISY_DB)).clamp(0, 1))


def _unclipped(sound: Tensor) -> float:
    """1 without a flat top, a half where `CLIPPED` of the samples lie on one [samples]."""
    highest = sound.abs().max()
    still = (sound.diff().abs() < FLAT * highest) & (sound[1:].abs() > LOUD * highest)
    top = still[1:] & still[:-1]
    return 1 / (1 + float(top.float().mean()) / CLIPPED)


def _whole(sound: Tensor, sample_rate: int) -> float:
    """1 without a sudden fall of the level, a half where `GAPS` come a second [samples]."""
    size = round(PIECE_S * sample_rate)
    pieces = sound[: len(sound) // size * size].reshape(-1, size)
    level = (10 * pieces.square().mean(1).clamp_min(1e-9).log10()).clamp_min(LOWEST_DB)
    fallen = level[:-2] - level[2:] > FALL_DB
    gaps = int((fallen[1:] & ~fallen[:-1]).sum())
    return 1 / (1 + gaps / (len(sound) / sample_rate) / GAPS)
