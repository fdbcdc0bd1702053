"""What cohorts share beside what all share: one more level of the model in `training.scorer`, in closed form. Pure.

A declared attribute parts listeners into cohorts. What a cohort shares lies about what all share, `u_c ~ N(m, b I)`,
and its listeners' weights about that, `w ~ N(u_c, own I)`; who has no value, or one of a cohort with fewer than
`LEAST_LISTENERS` who answered, lies about `m` itself. The variance `b` of an attribute is what makes all answers
likeliest (empirical Bayes); where that is not by `MARGIN` likelier than one taste for all, it parts nobody.

A listener starts from the mixture of their cohorts, each by the nats that its answers told of it beyond what all
share, as one normal of the same mean and covariance. Their own answers are no part of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.scorer import MARGIN, Array, Evidence, Heard, Shared, Space, Weights, learned, likelihood_of, weights

BETWEEN: Final = (0.001, 0.003, 0.01, 0.03)  # variances of a weight between cohorts, at unit deviation of its number
LEAST_LISTENERS: Final = 10  # who answered; no fewer are shown to an analyst (analytics.policy)
Attributes = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Of one listener, without their own answers: precision and information about what the cohort shares, beyond what
    was expected [numbers, numbers] and [numbers], and how many nats its answers told of it."""

    precision: Array
    information: Array
    nats: float


@dataclass(frozen=True, eq=False)
class Parting:
    """A believed attribute: the listeners of each of its cohorts, and the variance between them."""

    cohorts: tuple[tuple[int, ...], ...]
    between: float


def priors(space: Space, listeners: Sequence[Heard], attributes: Sequence[Attributes]) -> list[Weights] | None:
    """What others' answers say of each listener's weights; None where nothing was learned of all together.

    Args:
        space: of the round.
        listeners: who answered or may have a prior.
        attributes: of each of them.
    """
    known = learned(space, listeners)
    if known is None:
        return None
    answered = [heard.answers > 0 for heard in listeners]
    names = sorted({name for each in attributes for name in each})
    partings = [found for name in names if (found := _parting(known, answered, [a.get(name) for a in attributes]))]
    everyone = _sum(known.found, known.shared)
    return [_prior(space, known, everyone, partings, place) for place in range(len(listeners))]


def mixture(parts: Sequence[tuple[float, Weights]]) -> Weights:
    """The normal with mean and covariance of the mixture of these, each with its share, of which one is above 0."""
    total = sum(share for share, _ in parts)
    mean: Array = sum((share / total * each.mean for share, each in parts), np.zeros_like(parts[0][1].mean))
    covariance = np.zeros_like(parts[0][1].covariance)
    for share, each in parts:
        apart = each.mean - mean
        covariance = covariance + share / total * (each.covariance + np.outer(apart, apart))
    return Weights(mean, covariance)


def _parting(known: Shared, answered: Sequence[bool], values: Sequence[str | None]) -> Parting | None:
    """None where cohorts are not clearly likelier than one taste for all, or are too small to be told of."""
    places = defaultdict[str, list[int]](list)
    for place, value in enumerate(values):
        if value is not None:
            places[value].append(place)
    cohorts = tuple(tuple(own) for own in places.values() if sum(answered[each] for each in own) >= LEAST_LISTENERS)
    if not cohorts:
        return None
    likelihood, between = max((likelihood_of(_passed(known, cohorts, b), known.shared), b) for b in BETWEEN)
    return Parting(cohorts, between) if likelihood >= likelihood_of(known.found, known.shared) + MARGIN else None


def _passed(
    known: Shared, cohorts: Sequence[Sequence[int]], between: float, without: Sequence[int] = ()
) -> list[Evidence]:
    """About what all share: of each cohort, and of each listener who is in none, but for some."""
    inside = {place for cohort in (*cohorts, without) for place in cohort}
    alone = [each for place, each in enumerate(known.found) if place not in inside]
    return [*(_widened([known.found[place] for place in cohort], between) for cohort in cohorts), *alone]


def _widened(found: Sequence[Evidence], between: float) -> Evidence:
    """What these tell of the weights about which their common ones lie, those integrated out."""
    precision, information = _sum(found)
    spread = np.eye(len(information)) + between * precision
    passed = np.asarray(np.linalg.solve(spread, np.column_stack([precision, information])), np.float64)
    told = between * float(information @ passed[:, -1]) - float(np.linalg.slogdet(spread)[1])
    return Evidence(passed[:, :-1], passed[:, -1], sum(each.alone for each in found) + 0.5 * told)


def _prior(
    space: Space, known: Shared, everyone: tuple[Array, Array], partings: Sequence[Parting], place: int
) -> Weights:
    """Everyone's where no cohort of theirs has told anything."""
    parts = []
    for parting in partings:
        own = next((cohort for cohort in parting.cohorts if place in cohort), None)
        if own is not None:
            cohort = _cohort(known, parting, own, place)
            parts.append((cohort.nats, weights(space, cohort.precision, cohort.information, known.own)))
    if sum(nats for nats, _ in parts) > 0:
        return mixture(parts)
    mine = known.found[place]
    return weights(space, everyone[0] - mine.precision, everyone[1] - mine.information, known.own)


def _cohort(known: Shared, parting: Parting, own: Sequence[int], place: int) -> Cohort:
    others = [cohort for cohort in parting.cohorts if cohort is not own]
    precision, information = _sum(_passed(known, others, parting.between, own), known.shared)
    # What all others share, widened by what lies between cohorts; then what the rest of this one told.
    spread = np.eye(len(information)) + parting.between * precision
    before, about = np.linalg.solve(spread, precision), np.linalg.solve(spread, information)
    rest = [known.found[each] for each in own if each != place]
    more, told = _sum(rest)
    nats = 0.5 * float(np.linalg.slogdet(before + more)[1] - np.linalg.slogdet(before)[1])
    return Cohort(before + more, about + told, max(0.0, nats))


def _sum(found: Sequence[Evidence], shared: float | None = None) -> tuple[Array, Array]:
    """Precision and information of all, from the prior of what all share where its variance is given."""
    precision: Array = np.sum([each.precision for each in found], axis=0)
    information: Array = np.sum([each.information for each in found], axis=0)
    return (precision if shared is None else precision + np.eye(len(information)) / shared), information
