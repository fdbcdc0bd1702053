"""First phases of a magnitude spectrogram: every tone goes on from frame to frame at its own frequency.

Single pass spectrogram inversion (Beauregard, Harish and Wyse 2015): each peak turns on by its frequency, and the bins
around it turn with it. Griffin-Lim needs few iterations from here, and from random phases many.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

SEED = 0
# Frames over which tones are taken to go on unchanged after a known beginning: the spectrogram's bands are too wide to
# tell their frequencies as exactly as known samples do.
EXTRAPOLATED = 16


def walked(magnitude: Tensor, hop: int, known: Tensor | None = None) -> Tensor:
    """Phases that fit the magnitudes of a short-time Fourier transform, the same at every call.

    Args:
        magnitude: linear, of windows that begin `hop` apart [batch, bins, frames].
        hop: samples between frames.
        known: complex numbers with the phases that it begins with, which are kept and go on from the last frame
            [batch, bins, at most frames].

    Returns:
        Complex numbers of length 1 [batch, bins, frames].
    """
    bins, frames = magnitude.shape[1:]
    centre = torch.arange(bins, device=magnitude.device) * math.pi
    hertz, peak = _tones(magnitude)
    turns = 2 * math.pi * hop * hertz.gather(1, peak)
    # A window's middle is what its bins agree in; seen from its beginning, neighbours stand half a turn apart.
    angles = _first(magnitude) if known is None else known.angle() + centre[:, None]
    walk = list(angles.unbind(2))
    for frame in range(len(walk), frames):
        walk.append((walk[-1] + turns[..., frame]).gather(1, peak[..., frame]))
    walk_angles = torch.stack(walk, dim=2) - centre[:, None]
    return torch.polar(torch.ones_like(walk_angles), walk_angles)


def known_phases(before: Tensor, window: Tensor, hop: int, frames: int) -> Tensor | None:
    """Phases as known samples have them, and for a while after as if every bin kept its frequency.

    Args:
        before: the samples that a signal begins with [batch, samples].
        window: analysis window.
        hop: samples between frames, the first of which is centred half a hop before the samples.
        frames: of the whole signal.

    Returns:
        Complex numbers with these phases [batch, bins, at most frames]; None where no whole window is known.
    """
    size = window.numel()
    if before.shape[1] < 2 * size:
        return None
    last = before.shape[1] // hop - size // (2 * hop)
    start = functional.pad(before, (hop // 2, size))
    known = torch.stft(start, size, hop, size, window, return_complex=True)[..., : last + 1]
    advance = torch.polar(torch.ones_like(known[..., -1].abs()), (known[..., -1] * known[..., -2].conj()).angle())
    ahead = torch.arange(1, min(EXTRAPOLATED, frames - last - 1) + 1, device=known.device)
    return torch.cat([known, known[..., -1:] * advance[..., None] ** ahead], dim=2)


def _first(magnitude: Tensor) -> Tensor:
    """Random angles of one frame, the same for every row [batch, bins, 1]."""
    batch, bins = magnitude.shape[:2]
    angle = torch.rand(bins, 1, generator=torch.Generator().manual_seed(SEED)) * (2 * math.pi)
    return angle.to(magnitude.device).expand(batch, bins, 1)


def _tones(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Cycles a sample at every bin, to a fraction of a bin at peaks, and the nearest peak of each bin; both
    [batch, bins, frames]."""
    bins = magnitude.shape[1]
    low, middle, high = (
        part.clamp_min(1e-9).log() for part in (magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:])
    )
    summit = (0.5 * (low - high) / (low - 2 * middle + high).clamp_max(-1e-9)).clamp(-0.5, 0.5)
    places = torch.arange(bins, device=magnitude.device)[:, None].expand_as(magnitude)
    shifts, peaks = torch.zeros_like(magnitude), torch.zeros_like(magnitude, dtype=torch.bool)
    shifts[:, 1:-1], peaks[:, 1:-1] = summit, (middle > low) & (middle >= high)
    far = 2 * bins
    below = torch.where(peaks, places, -far).cummax(1).values
    above = torch.where(peaks, places, far).flip(1).cummin(1).values.flip(1)
    nearest = torch.where(places - below <= above - places, below, above)
    # A frame without any peak, such as silence: every bin is its own.
    nearest = torch.where((nearest < 0) | (nearest >= bins), places, nearest)
    return (places + shifts) / (2 * (bins - 1)), nearest
