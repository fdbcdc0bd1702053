"""How satisfied a listener was with each track they heard, and how sure that is: from stars, listening and pairs.

Satisfaction is a number in standard deviations of what a listener hears: 0 is their middle, whatever their scale. Pure.

- *Stars* are ordinal: `P(k) = Phi((k + 1/2 - m) / S) - Phi((k - 1/2 - m) / S)` with `m = 3 + offset + gain * s`, the
  outermost cells open (the ordered probit of McCullagh 1980, with a rater's own offset and gain). With a chance that is
  the rater's own the answer was careless: any star as likely as any other. Several ratings of one track are repeats,
  and tell coherent raters from careless ones.
- *Listening* is the quantile of the heard share among the listener's tracks of about the same length. Weaker than
  stars: a skip says more of the moment than of the music.
- *Pairs* follow Rao and Kupper 1967 (Bradley-Terry with ties): with `d = K (s_i - s_j)`, `P(i) = sigma(d - T)`,
  `P(j) = sigma(-d - T)`, and a tie is the rest.

Offset, gain and carelessness are integrated over a grid, exactly; pairs are then added by a Laplace approximation.
A track that was not heard says nothing, whatever was answered about it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

Vector = NDArray[np.float64]

MIDDLE, NOISE = 3.0, 0.55
# What is believed of a rater before their first answer: stars about the middle, stars for a standard deviation of
# satisfaction, chance of an answer without listening.
OFFSETS, OFFSET_SD = np.linspace(-1.2, 1.2, 13), 0.4
GAINS, GAIN_MIDDLE, GAIN_SD = np.linspace(0.3, 1.7, 8), 0.9, 0.3
CARELESS: Mapping[float, float] = {0.03: 0.85, 0.2: 0.1, 0.5: 0.05}
SATISFACTION = np.linspace(-4.0, 4.0, 81)
# Correlation of the normal score of a listening quantile with satisfaction.
LISTENING = 0.4
FEWEST_OF_A_LENGTH = 4
PAIR_SLOPE, PAIR_TIE = 1.5, 0.5
NEWTON_STEPS = 50
HEARD_S = 1.0

Verdict = Literal["first", "second", "tie"]


@dataclass(frozen=True)
class Hearing:
    """One listener's experience of one track.

    Attributes:
        track: which.
        heard_s: seconds of it that were played.
        length_s: of the track, > 0.
        stars: answers from 1 to 5, none or several.
    """

    track: UUID
    heard_s: float
    length_s: float
    stars: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Which of two tracks was preferred."""

    first: UUID
    second: UUID
    verdict: Verdict


@dataclass(frozen=True)
class Signals:
    """Which kinds of answers count."""

    stars: bool = True
    listening: bool = True
    pairs: bool = True


EVERY_SIGNAL = Signals()


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of one listener.

    Attributes:
        tracks: those that were heard, in the order given.
        mean: expected satisfaction with each [tracks].
        variance: of that [tracks]; 1 = nothing is known.
        offset: stars by which the listener's middle lies above 3.
        gain: stars for one standard deviation of satisfaction.
        coherence: chance that an answer was given after listening.
    """

    tracks: tuple[UUID, ...]
    mean: Vector
    variance: Vector
    offset: float
    gain: float
    coherence: float

    @property
    def reliability(self) -> Vector:
        """Share of the variance of satisfaction that is known, in [0, 1] [tracks]."""
        return np.clip(1.0 - self.variance, 0.0, 1.0)


def estimate(hearings: Sequence[Hearing], pairs: Sequence[Pair] = (), signals: Signals = EVERY_SIGNAL) -> Belief:
    """Posterior of one listener's satisfaction.

    Args:
        hearings: at most one of each track.
        pairs: those with a track that was not heard are left out.
        signals: the others are not looked at.

    Raises:
        ValueError: a star outside 1 to 5, a length that is not above 0, or a track that appears twice.
    """
    _require(hearings)
    heard = [hearing for hearing in hearings if hearing.heard_s >= min(HEARD_S, hearing.length_s)]
    tracks = tuple(hearing.track for hearing in heard)
    evidence = _listening(heard) if signals.listening else np.zeros((len(heard), len(SATISFACTION)))
    mean, variance, rater = _integrated([h.stars if signals.stars else () for h in heard], evidence)
    if signals.pairs:
        mean, variance = _with_pairs(tracks, mean, variance, pairs)
    return Belief(tracks, mean, variance, float(rater[0]), float(rater[1]), 1.0 - float(rater[2]))


def quantiles(hearings: Sequence[Hearing]) -> dict[UUID, float]:
    """Place in (0, 1) of each heard share among the tracks of about the same length (within a factor of 2), where there
    are enough of them; ties share the middle of their places."""
    by_length: dict[int, list[Hearing]] = defaultdict(list)
    for hearing in hearings:
        by_length[int(np.floor(np.log2(hearing.length_s)))].append(hearing)
    found = {}
    for alike in by_length.values():
        if len(alike) < FEWEST_OF_A_LENGTH:
            continue
        shares = np.array([min(1.0, each.heard_s / each.length_s) for each in alike])
        for each, share in zip(alike, shares, strict=True):
            found[each.track] = float(((shares < share).sum() + 0.5 * (shares == share).sum()) / len(alike))
    return found


def _require(hearings: Sequence[Hearing]) -> None:
    for hearing in hearings:
        if wrong := [star for star in hearing.stars if star not in range(1, 6)]:
            raise ValueError(f"stars of {hearing.track}: expected 1 to 5, got {wrong[0]}")
        if not hearing.length_s > 0:
            raise ValueError(f"length of {hearing.track}: expected more than 0 s, got {hearing.length_s}")
    if len({hearing.track for hearing in hearings}) < len(hearings):
        raise ValueError("expected each track once")


def _listening(heard: Sequence[Hearing]) -> Vector:
    """Log likelihood of how long each was heard [tracks, satisfaction]."""
    places = quantiles(heard)
    rows = np.zeros((len(heard), len(SATISFACTION)))
    for row, hearing in zip(rows, heard, strict=True):
        if hearing.track in places:
            score = ndtri(places[hearing.track])
            row[:] = -0.5 * np.square(score - LISTENING * SATISFACTION) / (1 - LISTENING**2)
    return rows


def _integrated(stars: Sequence[tuple[int, ...]], evidence: Vector) -> tuple[Vector, Vector, Vector]:
    """Mean and variance of each satisfaction [tracks] and mean offset, gain and carelessness [3], over the grid."""
    grid, believed, prior, cells = _raters()
    weights = believed.copy()
    first = np.zeros((len(stars), len(grid)))
    second = np.zeros_like(first)
    for place, answers in enumerate(stars):
        log = prior + evidence[place] + sum((cells[k - 1] for k in answers), np.zeros(cells.shape[1:]))
        top = log.max(axis=1, keepdims=True)
        mass = np.exp(log - top)
        total = mass.sum(axis=1)
        weights += top[:, 0] + np.log(total)
        first[place] = mass @ SATISFACTION / total
        second[place] = mass @ np.square(SATISFACTION) / total
    share = np.exp(weights - weights.max())
    share /= share.sum()
    mean = first @ share
    return mean, second @ share - np.square(mean), share @ grid


@cache
def _raters() -> tuple[Vector, Vector, Vector, Vector]:
    """Offset, gain and carelessness [raters, 3], the log of what is believed of them before any answer [raters] and of
    satisfaction [satisfaction], and of the chance of each star [stars, raters, satisfaction]."""
    grid = np.array(list(product(OFFSETS, GAINS, CARELESS)))
    believed = -0.5 * np.square(grid[:, 0] / OFFSET_SD) - 0.5 * np.square((grid[:, 1] - GAIN_MIDDLE) / GAIN_SD)
    believed += np.log([CARELESS[careless] for careless in grid[:, 2]])
    prior = -0.5 * np.square(SATISFACTION)
    prior -= np.log(np.exp(prior).sum())
    return grid, believed, prior, np.log(np.stack([_cell(k, grid) for k in range(1, 6)]))


def _cell(star: int, grid: Vector) -> Vector:
    """Chance of a star for each rater of the grid at each satisfaction [raters, satisfaction]."""
    offset, gain, careless = (grid[:, [column]] for column in range(3))
    middle = MIDDLE + offset + gain * SATISFACTION
    upper = 1.0 if star == 5 else ndtr((star + 0.5 - middle) / NOISE)
    lower = 0.0 if star == 1 else ndtr((star - 0.5 - middle) / NOISE)
    found: Vector = (1 - careless) * (upper - lower) + careless / 5
    return found


def _with_pairs(
    tracks: tuple[UUID, ...], mean: Vector, variance: Vector, pairs: Sequence[Pair]
) -> tuple[Vector, Vector]:
    """Newton's method to the mode; the inverse curvature there is the variance."""
    place = {track: index for index, track in enumerate(tracks)}
    known = [pair for pair in pairs if pair.first in place and pair.second in place and pair.first != pair.second]
    if not known:
        return mean, variance
    contrast = np.zeros((len(known), len(tracks)))
    for row, pair in zip(contrast, known, strict=True):
        row[place[pair.first]], row[place[pair.second]] = PAIR_SLOPE, -PAIR_SLOPE
    up = np.array([pair.verdict != "second" for pair in known], dtype=float)
    down = np.array([pair.verdict != "first" for pair in known], dtype=float)
    precision, found = np.diag(1 / variance), mean.copy()
    for _ in range(NEWTON_STEPS):
        d = contrast @ found
        slope = up * expit(PAIR_TIE - d) - down * expit(PAIR_TIE + d)
        bend = up * expit(d - PAIR_TIE) * expit(PAIR_TIE - d) + down * expit(d + PAIR_TIE) * expit(-d - PAIR_TIE)
        curvature = precision + contrast.T @ (bend[:, None] * contrast)
        step = np.linalg.solve(curvature, contrast.T @ slope - precision @ (found - mean))
        found = found + step
        if np.abs(step).max() < 1e-8:
            break
    return found, np.diag(np.linalg.inv(curvature)).copy()
