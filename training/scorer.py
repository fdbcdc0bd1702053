"""What a listener likes: few weights on few numbers of a track, in closed form, with the cohort as prior. Pure.

Hierarchical Bayesian linear regression (Lindley and Smith 1972): a listener's weights `w ~ N(m, own I)` lie about those
that all share, `m ~ N(m_0, shared I)`, and satisfaction is `y_i ~ N(c + w f_i, s^2 + v_i)`, with c the listener's own
level and `v_i` how unsure the satisfaction itself is. `m_0` says what is expected without any rating: the closer to
the songs, the better (`serving.engine.adapters.scorer.closeness`). How much is shared and how much is one's own is what
makes all answers together likeliest (empirical Bayes); where that is not by `MARGIN` likelier than the expectation, and
than no weights at all, nothing was learned, and nobody has a scorer. What the others gave is the prior of each: one's
own answers are no part of it.

Of takes of one prompt one may have been picked: by the model of first choice (Luce 1959) a pick is answers about their
differences, in which a listener's level has no part.

The numbers are likeness of style, the directions in which styles differ most, how far the sound lies from the songs',
and the squares of what counts against it (`serving.engine.adapters.scorer.describe`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from serving.engine.adapters.scorer import ALIKE, LACKING, NEAR
from serving.engine.hearing.sound import ENOUGH, SOUND_SIZE
from training.preference import PAIR_SLOPE

Array = NDArray[np.float64]

DIRECTIONS: Final = 3  # of style; with likeness and sound the 24 numbers of a track that a version may weigh
NOISE: Final = 0.6  # variance of satisfaction that no numbers of a track foretell
LEVEL: Final = 0.25  # prior variance of the constant
# Variances of a weight, at unit deviation of its number: about what is expected, and about what all share.
SHARED: Final = (0.001, 0.003, 0.01, 0.03)
OWN: Final = (0.0, 0.001, 0.003, 0.01)
MARGIN: Final = 2.0  # nats by which answers must be likelier than without what was learned from them
LEAST_KNOWN: Final = 0.02  # share of satisfaction's variance below which a track says nothing
MOST_EACH: Final = 64  # tracks by which one listener bends what all share
MOST_PICKS: Final = 16  # and picks, each among four tracks


@dataclass(frozen=True, eq=False)
class Heard:
    """Tracks of one listener: descriptions as `describe` makes them [tracks, size]; satisfaction, a posterior under the
    prior N(0, 1): mean and variance in (0, 1] [tracks]. `picks`: descriptions of takes of one prompt, two or more, the
    one that was picked first [takes, size]."""

    descriptions: Array
    mean: Array
    variance: Array
    picks: tuple[Array, ...] = ()

    @property
    def answers(self) -> int:
        return len(self.mean) + len(self.picks)

    def newest(self) -> "Heard":
        """What bends what all share."""
        last = slice(-MOST_EACH, None)
        return Heard(self.descriptions[last], self.mean[last], self.variance[last], self.picks[-MOST_PICKS:])


@dataclass(frozen=True, eq=False)
class Space:
    """Numbers of a description are `rows @ (description - centre) / scale`; the first is likeness [numbers, size].
    `expected` are their weights where nothing was learned [numbers]."""

    centre: Array
    scale: Array
    rows: Array
    expected: Array

    def numbers(self, descriptions: Array) -> Array:
        """With the constant first [tracks, size] -> [tracks, 1 + numbers]."""
        found = (descriptions - self.centre) / self.scale @ self.rows.T
        return np.column_stack([np.ones(len(found)), found])


@dataclass(frozen=True, eq=False)
class Weights:
    """A belief about the weights, the constant first [1 + numbers]."""

    mean: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class Evidence:
    """Of one listener with one choice of variances: precision and information about the shared weights [numbers], and
    the log-likelihood where those are as expected."""

    precision: Array
    information: Array
    alone: float


def space_of(listeners: Sequence[Heard]) -> Space:
    """The numbers of a round, at unit deviation over what everyone was played.

    Raises:
        ValueError: fewer than two tracks.
    """
    newest = [heard.newest() for heard in listeners]
    pooled = np.concatenate([part for heard in newest for part in (heard.descriptions, *heard.picks)])
    if len(pooled) < 2:
        raise ValueError("directions need two tracks")
    centre, scale = pooled.mean(0), np.maximum(pooled.std(0), 1e-6)
    style = slice(1, pooled.shape[1] - 2 * SOUND_SIZE)
    _, values, directions = np.linalg.svd(((pooled - centre) / scale)[:, style], full_matrices=False)
    count = min(DIRECTIONS, int((values > 1e-6).sum()))
    rows = np.zeros((1 + count + 2 * SOUND_SIZE, pooled.shape[1]))
    rows[0, 0] = 1.0
    rows[1 : 1 + count, style] = directions[:count] / (values[:count, None] / np.sqrt(len(pooled)))
    rows[1 + count :, style.stop :] = np.eye(2 * SOUND_SIZE)
    expected = np.zeros(len(rows))
    expected[0] = ALIKE * scale[0]
    expected[-SOUND_SIZE : -SOUND_SIZE + ENOUGH] = -LACKING / ENOUGH
    expected[-SOUND_SIZE + ENOUGH :] = -NEAR / (SOUND_SIZE - ENOUGH)
    expected[-SOUND_SIZE:] *= scale[-SOUND_SIZE:]
    return Space(centre, scale, rows, expected)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all answers together tell: variances of a listener's weights and of what all share, and each listener's
    evidence with them."""

    own: float
    shared: float
    found: list[Evidence]


def learned(space: Space, listeners: Sequence[Heard]) -> Shared | None:
    """None where all answers together are not clearly likelier by what they share than by what was expected, and than
    by no weights at all: answers without any bearing on the tracks speak against the expectation, and must not be taken
    for a taste."""
    newest = [heard.newest() for heard in listeners]
    told = [_told(space, each) for each in newest]
    nothing = replace(space, expected=np.zeros_like(space.expected))
    least = max(sum(_evidence(_told(each, h), 0.0).alone for h in newest) for each in (space, nothing))
    best: tuple[float, Shared] | None = None
    for own in OWN:
        found = [_evidence(each, own) for each in told]
        for shared in SHARED:
            likelihood = likelihood_of(found, shared)
            if best is None or likelihood > best[0]:
                best = likelihood, Shared(own, shared, found)
    assert best is not None
    return None if best[0] < least + MARGIN else best[1]


def priors(space: Space, listeners: Sequence[Heard]) -> list[Weights] | None:
    """What the others' answers say of each listener's weights; None where nothing was learned."""
    known = learned(space, listeners)
    if known is None:
        return None
    precision = sum((each.precision for each in known.found), np.eye(len(space.rows)) / known.shared)
    information = sum((each.information for each in known.found), np.zeros(len(space.rows)))
    return [weights(space, precision - e.precision, information - e.information, known.own) for e in known.found]


def fit(space: Space, heard: Heard, prior: Weights) -> Weights:
    """One listener's weights; without a track they are the prior."""
    numbers, answers, noise = _answers(space, heard)
    gain = prior.covariance @ numbers.T
    spread = numbers @ gain + np.diag(noise)
    move = np.linalg.solve(spread, answers - numbers @ prior.mean)
    covariance: Array = prior.covariance - gain @ np.linalg.solve(spread, gain.T)
    return Weights(prior.mean + gain @ move, (covariance + covariance.T) / 2)


def contradicted(space: Space, heard: Heard, prior: Weights) -> bool:
    """Whether a listener's own answers are clearly less likely by what the others taught than by what is expected."""
    expected = Weights(np.concatenate([[0.0], space.expected]), np.zeros_like(prior.covariance))
    expected.covariance[0, 0] = LEVEL
    return foretold(space, heard, prior) < foretold(space, heard, expected) - MARGIN


def foretold(space: Space, heard: Heard, prior: Weights) -> float:
    """Log-likelihood of a listener's answers, all together, before any of them was used."""
    numbers, answers, noise = _answers(space, heard)
    return _gaussian(answers - numbers @ prior.mean, numbers @ prior.covariance @ numbers.T + np.diag(noise))


def _told(space: Space, heard: Heard) -> tuple[Array, Array, Array]:
    """Numbers without the constant, answers less what was expected, and their covariance but for the weights'."""
    numbers, answers, noise = _answers(space, heard)
    level = LEVEL * np.outer(numbers[:, 0], numbers[:, 0])
    return numbers[:, 1:], answers - numbers[:, 1:] @ space.expected, level + np.diag(noise)


def _evidence(told: tuple[Array, Array, Array], own: float) -> Evidence:
    numbers, answers, covariance = told
    covariance = covariance + own * numbers @ numbers.T
    weighed = np.linalg.solve(covariance, np.column_stack([numbers, answers]))
    precision, information = numbers.T @ weighed[:, :-1], numbers.T @ weighed[:, -1]
    return Evidence(precision, information, _gaussian(answers, covariance))


def likelihood_of(found: Sequence[Evidence], shared: float) -> float:
    """Of all answers, the shared weights integrated out."""
    size = len(found[0].information)
    precision = sum((each.precision for each in found), np.eye(size) / shared)
    information = sum((each.information for each in found), np.zeros(size))
    log_size = float(np.linalg.slogdet(precision)[1]) + size * np.log(shared)
    gained = float(information @ np.linalg.solve(precision, information))
    return float(sum(each.alone for each in found) + 0.5 * (gained - log_size))


def weights(space: Space, precision: Array, information: Array, own: float) -> Weights:
    """A listener's prior by what was told of the weights about which theirs lie."""
    size = len(information)
    covariance = np.zeros((1 + size, 1 + size))
    covariance[0, 0] = LEVEL
    shared = np.linalg.inv(precision)
    covariance[1:, 1:] = (shared + shared.T) / 2 + own * np.eye(size)
    return Weights(np.concatenate([[0.0], space.expected + shared @ information]), covariance)


def _answers(space: Space, heard: Heard) -> tuple[Array, Array, Array]:
    """Numbers, and what the posterior of satisfaction was told beyond its prior, with its variance; then of picks."""
    known = 1.0 - heard.variance
    telling = known > LEAST_KNOWN
    known, variance = known[telling], heard.variance[telling]
    rated = space.numbers(heard.descriptions[telling]), heard.mean[telling] / known, NOISE + variance / known
    numbers, answers, noise = zip(rated, *(_preferred(space, takes) for takes in heard.picks), strict=True)
    return np.concatenate(numbers), np.concatenate(answers), np.concatenate(noise)


def _preferred(space: Space, takes: Array) -> tuple[Array, Array, Array]:
    """A pick as answers about contrasts of its takes: numbers [takes - 1, 1 + numbers], answers and variances.

    `P(picked) = exp(K s_0) / sum_i exp(K s_i)`. Where all are liked alike the gradient of its logarithm in s is
    `K (e_0 - 1 / n)` and its curvature `K^2 / n` on every contrast, so that a basis B of contrasts was told
    `B s = n / K B e_0` with variance `n / K^2` (Laplace). What no numbers foretell comes to that, as to stars.
    """
    count, contrasts = len(takes), helmert(len(takes))  # orthonormal rows, each with the sum 0
    variance = np.full(count - 1, count / PAIR_SLOPE**2 + NOISE)
    return contrasts @ space.numbers(takes), count / PAIR_SLOPE * contrasts[:, 0], variance


def _gaussian(values: Array, covariance: Array) -> float:
    """Log-density of a centred normal."""
    log_size = float(np.linalg.slogdet(covariance)[1])
    squared = float(values @ np.linalg.solve(covariance, values))
    return -0.5 * (len(values) * float(np.log(2 * np.pi)) + log_size + squared)
