"""Which styles a listener's tracks may be asked for, with what chance each: Thompson sampling, worked out ahead. Pure.

Actions: the mean of the songs, each song alone, and the mean moved along what is liked. The norm of a moved style stays
that of the mean: a style that grows leaves what the network was trained on (DTI, arXiv 2512.13672). An action's chance
is how often it is the best under weights drawn from the listener's posterior (Thompson 1933; Chapelle and Li 2011), and
never less than a floor: what is never played is never learned about.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.scorer import Array, Space, Weights

STEPS: Final = (0.5, 1.0)  # of a move, in deviations of what was played
DRAWS: Final = 4096
FLOOR: Final = 0.02


@dataclass(frozen=True, eq=False)
class Actions:
    """Styles [actions, size] and their chances [actions]; the first is the mean of the songs."""

    styles: Array
    chances: Array


def actions(songs: Array, space: Space, weights: Weights, seed: int) -> Actions:
    """The actions of one listener.

    Args:
        songs: styles of the songs that requests use [songs, size].
        space: of descriptions that begin with likeness and style.
        weights: the listener's posterior.
        seed: of the draws.
    """
    mean = songs.mean(0)
    alone = list(songs) if len(songs) > 1 else []
    styles = np.stack([mean, *alone, *(_moved(mean, step, space, weights) for step in STEPS)])
    return Actions(styles, chances(space.numbers(_described(styles, mean, space)), weights, seed))


def chances(numbers: Array, weights: Weights, seed: int) -> Array:
    """How often each action is the best under the posterior, with a floor [actions, 1 + numbers] -> [actions]."""
    draw = np.random.default_rng(seed)
    drawn = draw.multivariate_normal(weights.mean, weights.covariance, size=DRAWS, method="cholesky")
    best = np.bincount((drawn @ numbers.T).argmax(1), minlength=len(numbers)) / DRAWS
    floored: Array = FLOOR + (1 - FLOOR * len(numbers)) * best
    return floored


def _moved(mean: Array, step: float, space: Space, weights: Weights) -> Array:
    """The mean, so many deviations towards what is liked, at its own norm."""
    size = len(mean)
    direction = (weights.mean[2:] @ space.rows[1:, 1 : 1 + size]) if len(space.rows) > 1 else np.zeros(size)
    length = float(np.linalg.norm(direction))
    if length < 1e-9:
        return mean
    moved = mean + step * direction / length * space.scale[1 : 1 + size] * np.sqrt(size)
    result: Array = moved * (np.linalg.norm(mean) / max(float(np.linalg.norm(moved)), 1e-9))
    return result


def _described(styles: Array, wanted: Array, space: Space) -> Array:
    """What a track of exactly that style would be described by, where nothing is known of its latents."""
    described = np.tile(space.centre, (len(styles), 1))
    norms = np.linalg.norm(styles, axis=1) * np.linalg.norm(wanted)
    described[:, 0] = styles @ wanted / np.maximum(norms, 1e-9)
    described[:, 1 : 1 + styles.shape[1]] = styles
    return described
