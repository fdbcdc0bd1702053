"""Where a track starts: fresh noise of a seed, or noise that remembers the listener's songs.

The personal start of `personal` mixes on the sphere (SLERP): the inverted latents of the songs
with equal weights, then fresh noise of the request's seed. So a listener's tracks share a
direction, and two seeds still give two tracks. Not for conditioning: style vectors are averaged
by `mean_style`, and the network reads them, not this.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Weight of the fresh noise in a personal start: cos(0.6 * 90 deg) = 0.59 of the songs remain.
FRESH = 0.6
# Below this angle the sphere is flat within float32 and a straight line is exact enough.
SMALL_ANGLE = 1e-4


def fresh(seed: int, frames: int, channels: int) -> Tensor:
    """Standard normal [frames, channels], the same on every device for a seed in [0, 2**63)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, channels, generator=generator)


def slerp(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """The point at `weight` in [0, 1] on the great circle from start to end.

    Lengths are interpolated linearly, so noise keeps its deviation where a mean would lose it.
    Opposite directions have no great circle of their own; one of the shortest is taken.

    Args:
        start: any shape, not all zero.
        end: same shape, not all zero.
        weight: 0 gives start, 1 gives end.
    """
    first, second = start.double(), end.double()
    length_first, length_second = first.norm(), second.norm()
    unit_first, unit_second = first / length_first, second / length_second
    angle = torch.acos((unit_first * unit_second).sum().clamp(-1, 1))
    if angle < SMALL_ANGLE or torch.pi - angle < SMALL_ANGLE:
        mixed = (1 - weight) * unit_first + weight * unit_second
        mixed = mixed / mixed.norm() if mixed.norm() > SMALL_ANGLE else unit_first
    else:
        mixed = (torch.sin((1 - weight) * angle) * unit_first + torch.sin(weight * angle) * unit_second) / angle.sin()
    length = (1 - weight) * length_first + weight * length_second
    result: Tensor = (mixed * length).to(start.dtype)
    return result


def aggregate(noises: Sequence[Tensor]) -> Tensor:
    """Running SLERP of noises, each with equal weight, at standard deviation 1.

    Raises:
        ValueError: no noises.
    """
    if not noises:
        raise ValueError("expected at least one noise")
    mixed = _standard(noises[0])
    for count, noise in enumerate(noises[1:], start=2):
        mixed = slerp(mixed, _standard(noise), 1 / count)
    return _standard(mixed)


def personal(noises: Sequence[Tensor], seed: int, frames: int, channels: int, share: float = FRESH) -> Tensor:
    """The start of a track for a listener with these inverted songs.

    Where a song's excerpt is shorter than the track, fresh noise takes its place; where it is
    longer, its beginning is used.

    Args:
        noises: inverted latents, one a song [frames of the song, channels]; none = `fresh`.
        seed: of the request.
        frames: of the track.
        channels: of a latent frame.
        share: of the fresh noise, in [0, 1].

    Returns:
        Noise of deviation 1 over all its numbers [frames, channels].
    """
    own = fresh(seed, frames, channels)
    if not noises:
        return own
    fitted = []
    for place, noise in enumerate(noises, start=1):
        rest = fresh((seed + place) % 2**63, frames, channels)
        fitted.append(torch.cat([noise[:frames].to(rest), rest[noise.shape[0] :]]))
    return slerp(aggregate(fitted), own, share)


def mean_style(styles: Sequence[Tensor]) -> Tensor:
    """Mean of style vectors [size]; ValueError if there are none."""
    if not styles:
        raise ValueError("expected at least one style")
    return torch.stack(list(styles)).mean(0)


def _standard(noise: Tensor) -> Tensor:
    return (noise - noise.mean()) / noise.std().clamp_min(1e-6)
