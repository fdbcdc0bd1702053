"""A few tracks of a version and of the bare base, in latents alone: what a gate can know before anybody hears anything.

Both start from the same seeds under the listener's own style, so a difference is the adapter's. Nothing is decoded:
eight short tracks cost about as much as two training steps. Not for taste, and not for how well a prompt is kept.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from scipy.stats import t as student
from torch import Tensor
from torch.nn import functional

from serving.engine.bases.base import Base
from serving.engine.schedule import sampling
from training.material import Material, Rows

TRACKS, FRAMES, STEPS = 8, 44, 4
SURELY = 0.95  # one-sided level of what is said of diversity
# Frames of a stretch that is looked for in what was trained on, and how far apart stretches begin.
STRETCH, APART = 32, 4

# The velocity of rows under a slot, float32 on the CPU [rows, frames, channels].
Velocity = Callable[[Rows, int], Tensor]


@dataclass(frozen=True)
class Sampled:
    """Of a version's tracks beside the base's. `diversity`: mean distance between tracks, as a share of the base's, and
    `diversity_at_most` what it surely does not exceed. `level`: their deviation, as a share of the base's. `copied`:
    the highest cosine of a stretch with one of what was trained towards, less the base's."""

    diversity: float
    diversity_at_most: float
    level: float
    copied: float


@torch.no_grad()
def sampled(velocity: Velocity, base: Base, material: Material, slots: tuple[int, int]) -> Sampled:
    """Compares the tracks of two slots, the base's first."""
    cold, own = (_tracks(velocity, base, material, slot) for slot in slots)
    known = [p[:, : material.channels] for p, r in zip(material.pieces, material.targets, strict=True) if r == 1]
    share, at_most = varied(own, cold)
    return Sampled(
        diversity=share,
        diversity_at_most=at_most,
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
    plans = torch.zeros(rows, FRAMES, material.pieces[0].shape[1] - material.channels)
    return Rows(
        x0=both,
        eps=both,
        t=torch.full((rows,), time),
        prompts=torch.zeros(rows, *material.prompts.shape[1:]),
        styles=torch.cat([style, style * 0]),
        plans=plans,
        weights=torch.ones(rows),
        targets=torch.ones(rows),
        lost=both,
        lost_plans=plans,
    )


def varied(own: Tensor, cold: Tensor) -> tuple[float, float]:
    """Mean distance between tracks as a share of that of others from the same seeds, and its upper bound at `SURELY`.

    The bound is the jackknife's over tracks, of the logarithm (Tukey 1958): distances that share a track are no
    independent trials, and both sides share their seeds.

    Args:
        own: at least three [tracks, ...].
        cold: as many, in the same order of seeds.
    """
    distances = [torch.cdist(each.flatten(1), each.flatten(1)).double().clamp_min(1e-9) for each in (own, cold)]
    count = len(own)

    def log_ratio(left_out: int | None = None) -> float:
        kept = [place for place in range(count) if place != left_out]
        sums = [float(each[kept][:, kept].triu(1).sum()) for each in distances]
        return math.log(max(sums[0], 1e-9) / max(sums[1], 1e-9))

    whole = log_ratio()
    values = [count * whole - (count - 1) * log_ratio(place) for place in range(count)]
    error = stdev(values) / math.sqrt(count)
    return math.exp(whole), math.exp(fmean(values) + float(student.ppf(SURELY, count - 1)) * error)


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
