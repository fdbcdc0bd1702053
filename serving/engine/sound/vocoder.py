"""Log-mel to a waveform: phases that go on from frame to frame, and a small network before and after them.

A network that sees magnitudes alone cannot give a lasting tone its phase: equal frames would get equal phases, and the
tone a pitch of the frame rate. So phases are walked first (`phases`), two Griffin-Lim steps make them agree, and the
network says what is missing: first the magnitudes of all bins, from which the walk reads frequencies; then a complex
factor for each bin, from what is left of the disagreement. Masuyama et al. 2019 (Deep Griffin-Lim iteration) have the
second half of it. Untrained it is Griffin-Lim.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from serving.engine.sound.mel import FLOOR, LogMel
from serving.engine.sound.phases import known_phases, walked

UNMIX_STEPS = 4
PHASE_STEPS = 2
MOMENTUM = 0.99
KERNEL = 7
# Magnitudes below are told apart by nobody.
LEAST = 1e-3


@dataclass(frozen=True)
class VocoderConfig:
    """Width of the network, and its blocks before and after the phases are walked."""

    width: int = 256
    expansion: int = 3
    blocks: tuple[int, int] = (4, 4)


class Block(nn.Module):
    """Frames mixed channel by channel, then channels frame by frame (ConvNeXt; Liu et al. 2022, figure 4)."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, width] -> the same shape."""
        mixed = self.norm(self.along(x.transpose(1, 2)).transpose(1, 2))
        added: Tensor = self.scale * self.narrow(functional.gelu(self.wide(mixed)))
        return x + added


class Vocoder(nn.Module):
    """Log-mel [batch, bands, frames] to a waveform [batch, frames * hop]; rows do not influence each other."""

    window: Tensor
    basis: Tensor

    def __init__(self, config: VocoderConfig, mel: LogMel) -> None:
        super().__init__()
        width, bins, self.hop = config.width, mel.config.window // 2 + 1, mel.config.hop
        self.register_buffer("window", mel.spectrogram.hann_window.detach().clone(), persistent=False)
        self.register_buffer("basis", mel.spectrogram.mel_basis.detach().clone(), persistent=False)
        self.hear = nn.Conv1d(mel.config.bands, width, 3, padding=1)
        self.before = _blocks(config, config.blocks[0])
        self.loudness = _silent(nn.Linear(width, bins))
        self.disagreement = nn.Linear(5 * bins, width)
        self.after = _blocks(config, config.blocks[1])
        self.factor = _silent(nn.Linear(width, 2 * bins))

    def forward(self, mel: Tensor, before: Tensor | None = None) -> Tensor:
        """The waveform of a log-mel.

        Args:
            mel: natural logarithms of mel magnitudes, at least `FLOOR` [batch, bands, frames].
            before: what its beginning was made into already, at least a hop; the rest continues it, and its last hop
                fades into it [batch, samples].

        Returns:
            Mono waveform, not limited to 1 [batch, frames * hop].
        """
        logarithm, hidden = self.magnitudes(mel)
        # One frame more on each side: an inverse transform needs whole windows around all that is kept.
        padded = functional.pad(logarithm.exp(), (1, 1), mode="replicate")
        with torch.no_grad():
            agreed = self._agreed(padded.detach(), before)
        unit = agreed / agreed.abs().clamp_min(1e-9)
        hidden = hidden + self.disagreement(_told(agreed, padded.detach(), self.hop))
        for block in self.after:
            hidden = block(hidden)
        real, imaginary = self.factor(hidden).transpose(1, 2).chunk(2, dim=1)
        factor = functional.pad(torch.complex(1 + real, imaginary), (1, 1))
        signal = _continuing(self._signal(padded * unit * factor), before, self.hop)
        return signal[:, self.hop // 2 : signal.shape[1] - self.hop // 2]

    def magnitudes(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Natural logarithms of the magnitudes of all bins [batch, bins, frames], and what the network keeps of them
        [batch, frames, width]."""
        energy = (mel.float().exp() - math.exp(FLOOR)).clamp_min(1e-7)
        with torch.no_grad():
            guess = unmixed(energy, self.basis).clamp_min(LEAST).log()
        hidden = self.hear(mel.float()).transpose(1, 2)
        for block in self.before:
            hidden = block(hidden)
        return guess + self.loudness(hidden).transpose(1, 2), hidden

    def _signal(self, spectrum: Tensor) -> Tensor:
        size = self.window.numel()
        signal: Tensor = torch.istft(spectrum, size, self.hop, size, self.window)
        return signal

    def _spectrum(self, signal: Tensor) -> Tensor:
        size = self.window.numel()
        return torch.stft(signal, size, self.hop, size, self.window, return_complex=True)

    def _agreed(self, magnitude: Tensor, before: Tensor | None) -> Tensor:
        """The spectrum of a signal that has about these magnitudes: walked phases, then fast Griffin-Lim (Perraudin et
        al. 2013, algorithm 1) with a known beginning put back in every step [batch, bins, frames]."""
        known = None if before is None else known_phases(before, self.window, self.hop, magnitude.shape[2])
        phase, previous = walked(magnitude, self.hop, known), torch.zeros_like(magnitude, dtype=torch.complex64)
        for _ in range(PHASE_STEPS):
            rebuilt = self._spectrum(_continuing(self._signal(magnitude * phase), before, self.hop))
            pushed = rebuilt - previous * (MOMENTUM / (1 + MOMENTUM))
            phase, previous = pushed / pushed.abs().clamp_min(1e-12), rebuilt
        return self._spectrum(_continuing(self._signal(magnitude * phase), before, self.hop))


def unmixed(energy: Tensor, basis: Tensor) -> Tensor:
    """Linear magnitudes whose mel bands come near, by multiplicative updates [batch, bands, frames] ->
    [batch, bins, frames]."""
    gram = basis.T @ basis
    target = torch.matmul(basis.T, energy)
    magnitude = target / (gram.sum(1) + 1e-8)[:, None] + 1e-8
    for _ in range(UNMIX_STEPS):
        magnitude = magnitude * target / (torch.matmul(gram, magnitude) + 1e-8)
    return magnitude


def _told(agreed: Tensor, magnitude: Tensor, hop: int) -> Tensor:
    """How the magnitudes of a signal differ from those that were wanted, and how its phases turn from frame to frame
    and from bin to bin; the same whatever phase a tone began with [batch, frames, 5 * bins]."""
    bins = agreed.shape[1]
    missed = agreed.abs().clamp_min(LEAST).log() - magnitude.clamp_min(LEAST).log()
    nominal = torch.arange(bins, device=agreed.device) * (-math.pi * hop / (bins - 1))
    rotation = torch.polar(torch.ones_like(nominal), nominal)[:, None]
    turned = functional.pad(agreed[..., 1:] * agreed[..., :-1].conj(), (1, 0)) * rotation
    # A window's middle is what its bins agree in; seen from its beginning, neighbours stand half a turn apart.
    beside = functional.pad(-agreed[:, 1:] * agreed[:, :-1].conj(), (0, 0, 1, 0))
    angles = [each / each.abs().clamp_min(1e-9) for each in (turned, beside)]
    parts = [missed, *(part for each in angles for part in (each.real, each.imag))]
    return torch.cat(parts, dim=1)[..., 1:-1].transpose(1, 2)


def _continuing(signal: Tensor, before: Tensor | None, hop: int) -> Tensor:
    """The signal with its known samples, which begin half a hop in, in their place."""
    if before is None:
        return signal
    known = torch.ones_like(before)
    known[:, -hop:] = torch.linspace(1, 0, hop, device=before.device)
    place = slice(hop // 2, hop // 2 + before.shape[1])
    joined = known * before + (1 - known) * signal[:, place]
    return torch.cat([signal[:, : place.start], joined, signal[:, place.stop :]], dim=1)


def _blocks(config: VocoderConfig, count: int) -> nn.ModuleList:
    return nn.ModuleList([Block(config.width, config.expansion) for _ in range(count)])


def _silent(layer: nn.Linear) -> nn.Linear:
    """Zeros at first, so that an untrained network changes nothing."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
