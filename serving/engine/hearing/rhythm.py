"""Tempo and beat strength from the autocorrelation of the onset envelope.

Not for beats one by one: only how regular they are and how far apart.
"""

import math
from functools import lru_cache

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor
from torch.nn import functional

WINDOW, HOP, BANDS = 1024, 256, 64
SLOWEST, FASTEST = 38.0, 200.0
# Listeners tap near this tempo rather than at its half or double (Parncutt 1994).
PREFERRED, OCTAVES = 105.0, 1.0


def rhythm(waveform: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Tempo and beat strength of each row.

    Beat strength is the highest autocorrelation of the onset envelope at a lag between two beats (pulse clarity,
    Lartillot et al. 2008): 1 for a machine's clicks, near 0 for noise.

    Args:
        waveform: mono, at least four seconds [batch, samples].
        sample_rate: of the waveform.

    Returns:
        Beats a minute in [38, 200] [batch], strength in [-1, 1] [batch].
    """
    envelope = onset_envelope(waveform, sample_rate)
    rate = sample_rate / HOP
    correlation = _autocorrelation(envelope)
    lags = torch.arange(math.ceil(60 * rate / FASTEST), math.floor(60 * rate / SLOWEST) + 1)
    bpm = 60 * rate / lags
    prior = torch.exp(-0.5 * (torch.log2(bpm / PREFERRED) / OCTAVES) ** 2)
    near = correlation[:, lags]
    # A lag of one beat is also good at two beats; a lag between beats is not.
    score = (near + 0.5 * correlation[:, 2 * lags]) * prior
    best = lags[score.argmax(1)]
    found: Tensor = 60 * rate / _refined(correlation, best)
    return found, near.amax(1)


def onset_envelope(waveform: Tensor, sample_rate: int) -> Tensor:
    """Rise of the log-mel spectrum summed over bands, less its local mean [batch, samples] -> [batch, frames]."""
    window = torch.hann_window(WINDOW)
    power = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True).abs()
    log = torch.log1p(100 * torch.matmul(_mel_basis(sample_rate), power))
    flux = log.diff(dim=2).clamp_min(0).mean(1)
    local = functional.avg_pool1d(flux[:, None], 87, 1, 43, count_include_pad=False)[:, 0]
    envelope: Tensor = flux - local
    return envelope


def _autocorrelation(envelope: Tensor) -> Tensor:
    """Unbiased and normalised to 1 at lag 0 [batch, frames] -> [batch, frames]."""
    frames = envelope.shape[1]
    spectrum = torch.fft.rfft(envelope - envelope.mean(1, keepdim=True), 2 * frames)
    raw: Tensor = torch.fft.irfft(spectrum.abs().square())[:, :frames] / torch.arange(frames, 0, -1)
    return raw / raw[:, :1].clamp_min(1e-12)


def _refined(correlation: Tensor, lag: Tensor) -> Tensor:
    """The peak of a parabola through a lag and its neighbours [batch] -> [batch]."""
    row = torch.arange(len(lag))
    before, here, after = (correlation[row, lag + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = torch.where(bend < 0, 0.5 * (before - after) / bend.clamp_max(-1e-9), torch.zeros_like(here))
    return lag + shift.clamp(-0.5, 0.5)


@lru_cache
def _mel_basis(sample_rate: int) -> Tensor:
    basis: Tensor = mel_filterbank(sample_rate, WINDOW, BANDS, 30.0, sample_rate / 2)
    return basis
