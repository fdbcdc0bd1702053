"""A few tracks of a version and of the bare base, in latents alone: what a gate can know before anybody hears anything.

Both start from the same seeds under the listener's own style, so a difference is the adapter's. Nothing is decoded:
four short tracks cost about as much as a training step. Not for taste, and not for how well a prompt is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.bases.base import Base
from serving.engine.schedule import sampling
from training.material import Material, Rows

TRACKS, FRAMES, STEPS = 4, 44, 4
# Frames of a stretch that is looked for in what was trained on, and how far apart stretches begin.
STRETCH, APART = 32, 4

# The velocity of rows under a slot, float32 on the CPU [rows, frames, channels].
Velocity = Callable[[Rows, int], Tensor]


@dataclass(frozen=True)
class Sampled:
    """Of a version's tracks beside the base's. `diversity`: mean distance between tracks, as a share of the base's.
    `level`: their deviation, as a share of the base's. `copied`: the highest cosine of a stretch with one of what was
    trained towards, less the base's."""

    diversity: float
    level: float
    copied: float


@torch.no_grad()
def sampled(velocity: Velocity, base: Base, material: Material, slots: tuple[int, int]) -> Sampled:
    """Compares the tracks of two slots, the base's first."""
    cold, own = (_tracks(velocity, base, material, slot) for slot in slots)
    known = [p[:, : material.channels] for p, r in zip(material.pieces, material.targets, strict=True) if r == 1]
    return Sampled(
        diversity=_apart(own) / max(_apart(cold), 1e-9),
        level=float(own.std() / cold.std().clamp_min(1e-9)),
        copied=_nearest(known, own) - _nearest(known, cold),
    )


def _tracks(velocity: Velocity, base: Base, material: Material, slot: int) -> Tensor:
    """Without a prompt, by Euler steps with classifier-free guidance [TRACKS, FRAMES, channels]."""
    settings = base.manifest.sampling
    path = sampling(STEPS, settings.shift)
    x = torch.randn(TRACKS, FRAMES, material.channels, generator=torch.Generator().manual_seed(0))
    for time, delta in zip(path.times, path.deltas, strict=True):
        given, null = velocity(_rows(x, time, material), slot).chunk(2)
        x = x + delta * (null + settings.guidance * (given - null))
    return x


def _rows(x: Tensor, time: float, material: Material) -> Rows:
    """Rows whose point on the path is x itself, with the style and without."""
    both = torch.cat([x, x])
    rows = len(both)
    style = material.style.expand(TRACKS, -1)
    return Rows(
        x0=both,
        eps=both,
        t=torch.full((rows,), time),
        prompts=torch.zeros(rows, *material.prompts.shape[1:]),
        styles=torch.cat([style, style * 0]),
        plans=torch.zeros(rows, FRAMES, material.pieces[0].shape[1] - material.channels),
        weights=torch.ones(rows),
        targets=torch.ones(rows),
    )


def _apart(tracks: Tensor) -> float:
    return float(torch.pdist(tracks.flatten(1)).mean())


def _nearest(known: list[Tensor], tracks: Tensor) -> float:
    """Highest cosine of any stretch of the tracks with any of the known pieces; -1 where there is none."""
    stretches = [_stretches(piece) for piece in known if len(piece) >= STRETCH]
    if not stretches:
        return -1.0
    found = torch.cat([_stretches(track) for track in tracks])
    return float((found @ torch.cat(stretches).T).max())


def _stretches(latents: Tensor) -> Tensor:
    """About their channels' means, at length 1 [stretches, channels * STRETCH]."""
    centred = latents - latents.mean(0)
    return functional.normalize(centred.unfold(0, STRETCH, APART).flatten(1), dim=1)
