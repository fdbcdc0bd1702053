"""Conditions moved towards what was liked: the style, the tempo and the mode. No gradient, no adapter, no cost.

The listener's songs say where to start; ratings say in which direction from there. With w the centred pulls of
`signed.targets` (sum 0, absolute sum 1), z the style of each rated track and z0 that of the songs:

    z = |z0| dir(z0 + K c sum_i w_i z_i)

`sum_i w_i z_i` is the way from the centre of what was disliked to that of what was liked. The norm is kept, because a
style that was learned freely grows beyond all that the network was trained on (DTI, arXiv 2512.13672). c = n / (n + 8)
holds back while little is known. The tempo moves alike, in octaves, bounded; the mode is chosen where what was rated in
one is clearly ahead of what was rated in the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.methods.signed import targets
from training.preference import Belief

Vector = NDArray[np.float64]

FEWEST = 4
HELD_BACK = 8.0
STYLE_STEP = 2.0
TEMPO_STEP, MOST_TEMPO = 1.0, 0.35
# Standard errors by which one mode must be ahead of the other.
CLEARLY = 1.64


@dataclass(frozen=True, eq=False)
class Steering:
    """What is asked for in the place of what the songs alone say: the style [size], by how many octaves the tempo is
    moved, and whether all is in minor (None = as the songs)."""

    style: Vector
    octaves: float = 0.0
    minor: bool | None = None


def steer(songs: Vector, styles: Vector, octaves: Vector, minor: Sequence[bool], belief: Belief) -> Steering:
    """Where a listener's ratings lead from their songs.

    Args:
        songs: mean style of the songs [size].
        styles: of each rated track [tracks, size].
        octaves: of the tempo that each was made with, any origin [tracks].
        minor: whether each was made in minor [tracks].
        belief: of the same tracks in the same order.
    """
    satisfaction, count = belief.mean, len(belief.mean)
    if count < FEWEST or np.ptp(satisfaction) < 1e-6:
        return Steering(songs)
    target, weight = targets(satisfaction)
    pull = weight * (2 * target - 1)
    pull *= count / (count + HELD_BACK) / np.abs(pull).sum()
    return Steering(
        style=_at_norm(songs + STYLE_STEP * pull @ styles, float(np.linalg.norm(songs))),
        octaves=float(np.clip(TEMPO_STEP * pull @ octaves, -MOST_TEMPO, MOST_TEMPO)),
        minor=_mode(np.asarray(minor, dtype=bool), belief),
    )


def _at_norm(style: Vector, norm: float) -> Vector:
    return style * (norm / max(float(np.linalg.norm(style)), 1e-9))


def _mode(minor: NDArray[np.bool_], belief: Belief) -> bool | None:
    """The mode that is ahead, by the scatter of what is believed within each; None where neither clearly is."""
    groups = [belief.mean[chosen] for chosen in (minor, ~minor)]
    if min(len(group) for group in groups) < 2:
        return None
    ahead = float(groups[0].mean() - groups[1].mean())
    error = float(np.sqrt(sum(group.var(ddof=1) / len(group) for group in groups)))
    if abs(ahead) <= CLEARLY * error:
        return None
    return ahead > 0
