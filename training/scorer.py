"""What a listener likes: few weights on few numbers of a track, in closed form, with the cohort as prior. Pure.

Bayesian linear regression (Bishop 2006, section 3.3): weights `w ~ N(w_cohort, tau^2)`, satisfaction `y_i ~ N(w f_i,
s^2 + v_i)`, where `v_i` is how unsure the satisfaction itself is. `lambda = s^2 / tau^2` is how many ratings the prior
is worth. The numbers are likeness to the songs, and principal directions of what everyone was played, at unit
deviation. A listener's own weights are admitted only where, each track predicted from the others, they foretell better
than likeness alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DIRECTIONS: Final = 16  # beside likeness; together below the 24 that a version may hold
NOISE: Final = 0.6  # variance of satisfaction that no numbers of a track foretell
WORTH: Final = 100.0  # ratings that the prior of a direction is worth
LIKENESS: Final = (0.3, 0.1)  # prior mean and variance of the weight of likeness
LEVEL: Final = 0.25  # prior variance of the constant
FEWEST: Final = 8  # tracks below which nothing of one's own is admitted
LEAST_KNOWN: Final = 0.02  # share of satisfaction's variance below which a track says nothing
MOST_EACH: Final = 64  # tracks by which one listener bends the directions of all


@dataclass(frozen=True, eq=False)
class Heard:
    """Tracks of one listener: descriptions, likeness first [tracks, size]; satisfaction, a posterior under the prior
    N(0, 1): mean and variance in (0, 1] [tracks]."""

    descriptions: Array
    mean: Array
    variance: Array


@dataclass(frozen=True, eq=False)
class Space:
    """Numbers of a description are `rows @ (description - centre) / scale`; the first is likeness [numbers, size]."""

    centre: Array
    scale: Array
    rows: Array

    def numbers(self, descriptions: Array) -> Array:
        """With the constant first [tracks, size] -> [tracks, 1 + numbers]."""
        found = (descriptions - self.centre) / self.scale @ self.rows.T
        return np.column_stack([np.ones(len(found)), found])


@dataclass(frozen=True, eq=False)
class Weights:
    """Posterior of the weights, the constant first [1 + numbers]."""

    mean: Array
    covariance: Array


def space_of(listeners: Sequence[Heard]) -> Space:
    """Directions in which what everyone was played differs most.

    Raises:
        ValueError: fewer than two tracks.
    """
    pooled = np.concatenate([heard.descriptions[-MOST_EACH:] for heard in listeners])
    if len(pooled) < 2:
        raise ValueError("directions need two tracks")
    centre, scale = pooled.mean(0), np.maximum(pooled.std(0), 1e-6)
    spread = ((pooled - centre) / scale)[:, 1:]
    _, values, directions = np.linalg.svd(spread, full_matrices=False)
    count = min(DIRECTIONS, int((values > 1e-6).sum()))
    deviations = values[:count, None] / np.sqrt(len(pooled))
    rows = np.zeros((1 + count, pooled.shape[1]))
    rows[0, 0] = 1.0
    rows[1:, 1:] = directions[:count] / deviations
    return Space(centre, scale, rows)


def fit(space: Space, heard: Heard, cohort: Array | None = None) -> Weights:
    """One listener's weights; without a track they are the prior.

    Args:
        space: of the round.
        heard: of the listener.
        cohort: weights of the others' directions [numbers - 1]; None = no opinion.
    """
    numbers, answers, noise = _evidence(space, heard)
    return _posterior(numbers, answers, noise, *_prior(space, cohort))


def others_mean(fitted: Sequence[Weights], counts: Sequence[int]) -> list[Array]:
    """For each listener the mean of the other listeners' direction weights, one vote each, the surer the more.

    Args:
        fitted: of each listener, without a cohort's prior.
        counts: tracks of each.
    """
    votes = np.array([count / (count + FEWEST) for count in counts])
    weights = np.stack([each.mean[2:] for each in fitted])
    total, mass = votes @ weights, votes.sum()
    return [
        (total - vote * own) / (mass - vote) if mass - vote > 0 else np.zeros_like(own)
        for vote, own in zip(votes, weights, strict=True)
    ]


def admitted(space: Space, heard: Heard, cohort: Array | None = None) -> bool:
    """Whether the weights foretell each track from the others better than likeness to the songs alone does."""
    if len(heard.mean) < FEWEST:
        return False
    likeness = Space(space.centre, space.scale, space.rows[:1])
    return foretold(space, heard, cohort) > foretold(likeness, heard)


def foretold(space: Space, heard: Heard, cohort: Array | None = None) -> float:
    """Log-likelihood of each track's satisfaction given the others', summed (leave one out)."""
    numbers, answers, noise = _evidence(space, heard)
    prior = _prior(space, cohort)
    total = 0.0
    for place in range(len(answers)):
        rest = np.arange(len(answers)) != place
        weights = _posterior(numbers[rest], answers[rest], noise[rest], *prior)
        row = numbers[place]
        variance = float(row @ weights.covariance @ row) + noise[place]
        total -= 0.5 * (np.log(2 * np.pi * variance) + (answers[place] - row @ weights.mean) ** 2 / variance)
    return float(total)


def _evidence(space: Space, heard: Heard) -> tuple[Array, Array, Array]:
    """Numbers, and what the posterior of satisfaction was told beyond its prior, with its variance."""
    known = 1.0 - heard.variance
    telling = known > LEAST_KNOWN
    known, variance = known[telling], heard.variance[telling]
    return space.numbers(heard.descriptions[telling]), heard.mean[telling] / known, NOISE + variance / known


def _prior(space: Space, cohort: Array | None) -> tuple[Array, Array]:
    """Mean and precision, both [1 + numbers]."""
    count = len(space.rows) - 1
    mean = np.concatenate([[0.0, LIKENESS[0]], np.zeros(count) if cohort is None else cohort])
    precision = np.concatenate([[1 / LEVEL, 1 / LIKENESS[1]], np.full(count, WORTH / NOISE)])
    return mean, precision


def _posterior(numbers: Array, answers: Array, noise: Array, prior_mean: Array, prior_precision: Array) -> Weights:
    weighed = numbers / noise[:, None]
    covariance: Array = np.linalg.inv(np.diag(prior_precision) + weighed.T @ numbers).astype(np.float64)
    return Weights(covariance @ (prior_precision * prior_mean + weighed.T @ answers), covariance)
