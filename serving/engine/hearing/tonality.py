"""The key of a stretch of music, by its spectrum.

Not for chords or changes of key: one key stands for the whole stretch.
"""

import torch
from torch import Tensor

from serving.engine.music.plan import Key

# How often each semitone above the tonic sounds (Albrecht and Shanahan 2013, from classical scores).
MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
# Bins of 2.7 Hz at the codec's rate: half a semitone at the lowest pitch that counts.
WINDOW, HOP = 8192, 2048
LOWEST_HZ, HIGHEST_HZ = 80.0, 1600.0


def key_heard(waveform: Tensor, sample_rate: int) -> Key:
    """The key whose profile correlates best with what a sound has on each pitch class.

    Args:
        waveform: mono, at least `WINDOW` / 2 + 1 samples [samples]; silence is in C major.
        sample_rate: of the waveform.
    """
    best = int(_fits(waveform, sample_rate).argmax())
    return Key(best % 12, best >= 12)


def contrast_of_modes(waveform: Tensor, sample_rate: int) -> float:
    """By how much the best major key fits better than the best minor one, in [-2, 2] [samples]."""
    major, minor = _fits(waveform, sample_rate).reshape(2, 12).amax(1)
    return float(major - minor)


def _fits(waveform: Tensor, sample_rate: int) -> Tensor:
    """Correlation with each key's profile, major keys first, from C up [24]."""
    return key_fits(pitch_classes(waveform, sample_rate))


def key_fits(classes: Tensor) -> Tensor:
    """Correlation with each key's profile, major keys first, from C up [..., 12] -> [..., 24]."""
    profiles = torch.tensor([MAJOR_PROFILE, MINOR_PROFILE])
    turned = torch.stack([profile.roll(tonic) for profile in profiles for tonic in range(12)])
    fits: Tensor = _centred(classes) @ _centred(turned).T
    return fits


def pitch_classes(waveform: Tensor, sample_rate: int) -> Tensor:
    """How much of a sound's spectral peaks lies on each pitch class, C first [samples] -> [12]."""
    pitches, strengths = tones_heard(waveform, sample_rate)
    return torch.zeros(12).index_add_(0, pitches.round().long().flatten() % 12, strengths.flatten())


def tones_heard(waveform: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """MIDI pitch of each spectral peak, and its amplitude, 0 where there is none or it is too low or high to count.

    Args:
        waveform: mono, at least `WINDOW` / 2 + 1 samples [samples].
        sample_rate: of the waveform.

    Returns:
        Both [bins, frames], a frame every `HOP` samples.
    """
    spectrum = torch.stft(waveform, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True).abs()
    below, here, above = spectrum[:-2], spectrum[1:-1], spectrum[2:]
    bins = torch.arange(1, len(spectrum) - 1)[:, None] + _summit(below, here, above)
    hertz = bins * sample_rate / WINDOW
    counts = (here > below) & (here > above) & (hertz > LOWEST_HZ) & (hertz < HIGHEST_HZ)
    return 69 + 12 * torch.log2(hertz / 440), here * counts


def _summit(below: Tensor, here: Tensor, above: Tensor) -> Tensor:
    """Where between the bins a peak lies: the vertex of a parabola through the logarithms, in [-0.5, 0.5]."""
    low, middle, high = (part.clamp_min(1e-9).log() for part in (below, here, above))
    summit: Tensor = 0.5 * (low - high) / (low - 2 * middle + high).clamp_max(-1e-9)
    return summit.clamp(-0.5, 0.5)


def _centred(values: Tensor) -> Tensor:
    """Rows less their mean, at length 1."""
    free: Tensor = values - values.mean(-1, keepdim=True)
    length: Tensor = free.norm(dim=-1, keepdim=True)
    return free / length.clamp_min(1e-12)
