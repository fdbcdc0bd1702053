"""What a simulated listener hears in a track: a few numbers that signal processing and a published network can measure.

Not a judge of quality, and an ear of its own: neither conditions nor selection nor training use any of these measures,
so nobody is judged by what it was made or chosen with.
"""

import math
from dataclasses import dataclass

import torch

from training.study.published import HEARD, PublishedEar

SAMPLE_RATE = 22_050
_WINDOW, _HOP = 2048, 512
_FRAMES_PER_SECOND = SAMPLE_RATE / _HOP
_BPM = torch.linspace(60, 200, 141)
_BLOCK, _SHUFFLES = 4, 32
_FLOOR = 20  # bins to each side, 215 Hz

_BANDS = 24

MEASURED = (
    "brightness",
    "bass",
    "noisiness",
    "onset_density",
    "tempo",
    "mode",
    "register",
    "dynamics",
    "fullness",
    *HEARD,
)
# What music has and noise lacks; of these a listener may want more, never less.
QUALITIES = ("beat_strength", "tonal_clarity")
NAMES = (*MEASURED, *QUALITIES)

# Krumhansl & Kessler 1982, probe-tone profiles of C major and C minor.
_MAJOR = torch.tensor([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = torch.tensor([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


@dataclass(frozen=True)
class Ear:
    """Measures tracks; `published` is a program that runs, so make one and keep it."""

    published: PublishedEar

    @torch.inference_mode()
    def hear(self, waveform: torch.Tensor) -> torch.Tensor:
        """The numbers named in `NAMES`.

        Args:
            waveform: mono at 22,050 Hz, at least one second. [samples]

        Returns:
            float32, unstandardised. [len(NAMES)]
        """
        power = _power(waveform)
        flux = _flux(power)
        measured = [
            _brightness(power),
            _bass(power),
            _noisiness(power),
            _onset_density(flux),
            _tempo(flux),
            _mode(power),
            _register(power),
            _dynamics(power),
            _fullness(power),
        ]
        heard = self.published.hear(waveform, SAMPLE_RATE)
        return torch.tensor([*measured, *heard, _beat_strength(flux), _tonal_clarity(power)])


def _power(waveform: torch.Tensor) -> torch.Tensor:
    """Power spectrogram. [frequencies, frames]"""
    window = torch.hann_window(_WINDOW)
    return torch.stft(waveform, _WINDOW, _HOP, window=window, return_complex=True).abs().square() + 1e-10


def _frequencies() -> torch.Tensor:
    return torch.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)


def _brightness(power: torch.Tensor) -> float:
    """Octaves of the spectral centroid above 1 Hz, amplitude-weighted."""
    amplitude = power.sqrt().sum(dim=1)
    return math.log2(float((amplitude * _frequencies()).sum() / amplitude.sum()) + 1.0)


def _bass(power: torch.Tensor) -> float:
    """Share of energy below 200 Hz, in nepers."""
    low = power[_frequencies() < 200.0].sum()
    return float(torch.log(low / power.sum()))


def _noisiness(power: torch.Tensor) -> float:
    """Mean log spectral flatness of the frames that sound at all."""
    loud = _sounding(power)
    return float((loud.log().mean(dim=0) - loud.mean(dim=0).log()).mean())


def _flux(power: torch.Tensor) -> torch.Tensor:
    """Half-wave rectified difference of the log spectrum. [frames - 1]"""
    level = torch.log1p(1e3 * power.sqrt())
    return level.diff(dim=1).clamp(min=0).mean(dim=0)


def _onset_density(flux: torch.Tensor) -> float:
    """Square root of onsets a second: local peaks of the flux well above its surroundings."""
    around = torch.nn.functional.avg_pool1d(flux[None], 31, stride=1, padding=15, count_include_pad=False)[0]
    highest = torch.nn.functional.max_pool1d(flux[None], 7, stride=1, padding=3)[0]
    peaks = (flux == highest) & (flux > 1.3 * around + 0.1 * flux.std())
    return math.sqrt(float(peaks.sum()) / (len(flux) / _FRAMES_PER_SECOND))


def _autocorrelation(flux: torch.Tensor) -> torch.Tensor:
    """Of the centred rows, 1 at lag 0. [..., frames]"""
    frames = flux.shape[-1]
    centred = flux - flux.mean(dim=-1, keepdim=True)
    correlation: torch.Tensor = torch.fft.irfft(torch.fft.rfft(centred, n=2 * frames).abs().square())[..., :frames]
    return correlation / correlation[..., :1].clamp(min=1e-12)


def _beat_lags(frames: int) -> torch.Tensor:
    return (60.0 * _FRAMES_PER_SECOND / _BPM).round().long().clamp(max=frames - 1)


def _tempo(flux: torch.Tensor) -> float:
    """Octaves above 60 beats a minute, by autocorrelation with a log-normal preference around 110 (Ellis 2007)."""
    weight = torch.exp(-0.5 * (torch.log2(_BPM / 110.0) / 0.9).square())
    periodicity = _autocorrelation(flux)[_beat_lags(len(flux))] * weight
    return math.log2(float(_BPM[periodicity.argmax()]) / 60.0)


def _beat_strength(flux: torch.Tensor) -> float:
    """How far the highest periodicity of the onsets rises above what the same onsets in random order give."""
    generator = torch.Generator().manual_seed(0)
    # Whole blocks are shuffled: neighbouring frames share samples, so they are alike also in noise.
    blocks = flux[: len(flux) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    orders = torch.rand(_SHUFFLES, len(blocks), generator=generator).argsort(dim=1)
    lags = _beat_lags(blocks.numel())
    highest = _autocorrelation(blocks.flatten())[lags].max()
    by_chance = _autocorrelation(blocks[orders].flatten(1))[:, lags].max(dim=1).values.mean()
    return float(highest - by_chance)


def _tonal_clarity(power: torch.Tensor) -> float:
    """Decibels by which the strongest partials stand out of the floor around them, mean over what sounds."""
    frequencies = _frequencies()
    melodic = power[(frequencies > 80.0) & (frequencies < 5000.0)]
    # Averaged over a fifth of a second: a partial stays, the peaks of noise do not.
    held = torch.nn.functional.avg_pool1d(melodic[None], 9, stride=4)[0]
    loud = held[:, held.sum(dim=0) > 1e-3 * held.sum(dim=0).max()]
    level = 10.0 * loud.log10()
    padded = torch.nn.functional.pad(level.T[:, None], (_FLOOR, _FLOOR), mode="replicate")[:, 0]
    floor = padded.unfold(1, 2 * _FLOOR + 1, 1).median(dim=2).values.T
    return float((level - floor).quantile(0.98, dim=0).mean())


def _mode(power: torch.Tensor) -> float:
    """Best correlation with a major key minus the best with a minor one."""
    frequencies = _frequencies()
    melodic = (frequencies > 80.0) & (frequencies < 2000.0)
    pitch_class = (69 + 12 * torch.log2(frequencies[melodic] / 440.0)).round().long() % 12
    chroma = torch.zeros(12).index_add_(0, pitch_class, power[melodic].sqrt().sum(dim=1))
    return _best_key(chroma, _MAJOR) - _best_key(chroma, _MINOR)


def _register(power: torch.Tensor) -> float:
    """Octaves above 1 Hz of the partial that is loudest in the middle one of all frames that sound."""
    frequencies = _frequencies()
    melodic = (frequencies > 80.0) & (frequencies < 2000.0)
    return math.log2(float(frequencies[melodic][_sounding(power)[melodic].argmax(dim=0)].median()))


def _dynamics(power: torch.Tensor) -> float:
    """Standard deviation in decibels of the level of what sounds."""
    return float((10.0 * _sounding(power).sum(dim=0).log10()).std())


def _fullness(power: torch.Tensor) -> float:
    """Entropy of the mean spectrum over bands of equal width in octaves, in nats: a lone tone 0, a full band more."""
    edges = torch.logspace(math.log10(50.0), math.log10(SAMPLE_RATE / 2), _BANDS + 1)
    band = torch.bucketize(_frequencies(), edges).clamp(1, _BANDS) - 1
    share = torch.zeros(_BANDS).index_add_(0, band, power.sqrt().mean(dim=1))
    return float(torch.special.entr(share / share.sum()).sum())


def _sounding(power: torch.Tensor) -> torch.Tensor:
    """Frames within 40 dB of the loudest. [frequencies, frames]"""
    level = power.sum(dim=0)
    return power[:, level > 1e-4 * level.max()]


def _best_key(chroma: torch.Tensor, profile: torch.Tensor) -> float:
    rotations = torch.stack([profile.roll(tonic) for tonic in range(12)])
    return float(torch.corrcoef(torch.cat([chroma[None], rotations]))[0, 1:].max())
