"""Log-mel spectrogram of the codec and its inversion by Griffin-Lim.

Not for analysis or tagging: the front end of the style encoder lives in `hearing.tagger`.
"""

from dataclasses import dataclass
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import MMAudioMelSpectrogram
from torch import Tensor, nn
from torch.nn import functional

from serving.engine.sound.phases import walked

# About 68 dB under a loud partial at the reference level: nothing below it is heard.
FLOOR = -6.0
INVERSION_STEPS = 12
PHASE_STEPS = 6
MOMENTUM = 0.99
# Frames over which tones are taken to go on unchanged after a known beginning: the spectrogram's bands are too wide to
# tell their frequencies as exactly as known samples do.
EXTRAPOLATED = 16


@dataclass(frozen=True)
class MelConfig:
    """Sizes of the spectrogram: samples per second, per window and per hop; number of bands."""

    sample_rate: int = 22_050
    window: int = 2048
    hop: int = 512
    bands: int = 256


class LogMel(nn.Module):
    """Waveform to floored log-mel and back; holds no trained weights."""

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrogram = MMAudioMelSpectrogram(config.sample_rate, config.window, config.bands, config.hop)

    def forward(self, waveform: Tensor) -> Tensor:
        """Log-mel of a waveform.

        Args:
            waveform: mono, within [-1, 1], a whole number of hops [batch, samples].

        Returns:
            Natural logarithms of mel magnitudes, at least `FLOOR` [batch, bands, samples / hop].
        """
        return cast("Tensor", self.spectrogram(waveform)).clamp_min(FLOOR)

    def invert(self, mel: Tensor, phase_steps: int = PHASE_STEPS, before: Tensor | None = None) -> Tensor:
        """Waveform whose log-mel is close to the one given.

        Rows do not influence each other.

        Args:
            mel: log-mel magnitudes [batch, bands, frames].
            phase_steps: Griffin-Lim iterations.
            before: what its beginning was made into already; the rest continues it [batch, samples].

        Returns:
            Mono waveform [batch, frames * hop].
        """
        floor = torch.exp(torch.tensor(FLOOR, device=mel.device))
        energy = (mel.float().exp() - floor).clamp_min(1e-7)
        magnitude = _unmix(energy, self.spectrogram.mel_basis)
        return griffin_lim(magnitude, self.spectrogram.hann_window, self.config.hop, phase_steps, before)


def _unmix(energy: Tensor, basis: Tensor) -> Tensor:
    """Non-negative linear magnitudes whose mel bands match, by multiplicative updates."""
    gram = basis.T @ basis
    target = torch.matmul(basis.T, energy)
    spread = (gram.sum(1) + 1e-8)[:, None]
    magnitude = target / spread + 1e-8
    for _ in range(INVERSION_STEPS):
        magnitude = magnitude * target / (torch.matmul(gram, magnitude) + 1e-8)
    return magnitude


def griffin_lim(magnitude: Tensor, window: Tensor, hop: int, steps: int, before: Tensor | None = None) -> Tensor:
    """Fast Griffin-Lim (Perraudin et al. 2013, algorithm 1) on frames centred half a hop in.

    A known beginning is put back in every iteration, and its tones go on after it.

    Args:
        magnitude: linear magnitudes [batch, bins, frames].
        window: analysis window [(bins - 1) * 2].
        hop: samples between frames.
        steps: iterations, at least 0; more is cleaner and slower.
        before: known samples at the beginning, at least a hop [batch, samples]; its last hop fades into the rest.

    Returns:
        Waveform [batch, frames * hop].
    """
    size = window.numel()
    # One frame more on each side: `istft` only inverts between the first and last centre.
    magnitude = functional.pad(magnitude, (1, 1), mode="replicate")
    phase = walked(magnitude, hop, _known(before, window, hop, magnitude.shape[2]))
    previous = torch.zeros_like(phase)
    for _ in range(steps):
        signal = _continuing(torch.istft(magnitude * phase, size, hop, size, window), before, hop)
        rebuilt = torch.stft(signal, size, hop, size, window, return_complex=True)
        pushed = rebuilt - previous * (MOMENTUM / (1 + MOMENTUM))
        phase = pushed / pushed.abs().clamp_min(1e-12)
        previous = rebuilt
    signal = _continuing(torch.istft(magnitude * phase, size, hop, size, window), before, hop)
    return signal[:, hop // 2 : signal.shape[1] - hop // 2]


def _continuing(signal: Tensor, before: Tensor | None, hop: int) -> Tensor:
    """The signal with its known samples, which begin half a hop in, in their place."""
    if before is None:
        return signal
    known = torch.ones_like(before)
    known[:, -hop:] = torch.linspace(1, 0, hop, device=before.device)
    place = slice(hop // 2, hop // 2 + before.shape[1])
    signal[:, place] = known * before + (1 - known) * signal[:, place]
    return signal


def _known(before: Tensor | None, window: Tensor, hop: int, frames: int) -> Tensor | None:
    """Phases as known samples have them, and for a while after as if every bin kept its frequency, as complex numbers
    [batch, bins, at most frames]; None where no whole window is known."""
    size = window.numel()
    if before is None or before.shape[1] < 2 * size:
        return None
    last = before.shape[1] // hop - size // (2 * hop)
    start = functional.pad(before, (hop // 2, size))
    known = torch.stft(start, size, hop, size, window, return_complex=True)[..., : last + 1]
    advance = torch.polar(torch.ones_like(known[..., -1].abs()), (known[..., -1] * known[..., -2].conj()).angle())
    ahead = torch.arange(1, min(EXTRAPOLATED, frames - last - 1) + 1, device=known.device)
    return torch.cat([known, known[..., -1:] * advance[..., None] ** ahead], dim=2)
