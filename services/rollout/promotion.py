"""Whether the candidate is better, at one look: one bounded value a listener, a t-bound over listeners. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import Final

from services.rollout.evidence import ListenerEvidence, Look
from services.rollout.plan import Plan
from services.rollout.sequential import nominal_levels
from services.rollout.stats import standard_error
from services.student import t_isf

GROWTH: Final = 1.05  # least growth of information between looks; less would claim more precision than the grid has
OWN_BOUND: Final = 1.0
"""Stars and vote: a listener's value lies within, so that no few outvote the many by saying it louder."""
FEW: Final = 5
"""So many listeners, or a quarter of a small release, may say together what they like: they promote nothing."""
POWER: Final = 0.8
FUTILE: Final = 1.28  # standard errors: the 90 % point of the normal
PROMISING: Final = (0.5, 0.95)
"""Conditional power between which a canary goes on beyond its plan. From one half on the size of the last test stays
(Chen, DeMets and Lan, Statistics in Medicine 23, 2004)."""
NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Assessed:
    """Mean over listeners of their bounded values, its standard error, and the lower bound at this look's level.

    `weakest` is what the answer rests on: the lower of the bound at twice the whole error without the listener who
    matters most, and of the mean without the few who like the candidate most.
    """

    mean: float
    error: float
    low: float
    weakest: float


def own_scores(listener: ListenerEvidence, plan: Plan) -> list[float]:
    """What one listener said in their comparisons that count, in stars and votes."""
    return [pair.score(plan.vote_weight) for pair in listener.pairs[: plan.most]]


def bounded(said: Sequence[float]) -> float:
    """One listener's value: the mean of what they said, within `OWN_BOUND`."""
    return max(-OWN_BOUND, min(OWN_BOUND, fmean(said)))


def assessed(said: Sequence[Sequence[float]], level: float, alpha: float) -> Assessed | None:
    """The one-sided t-test of bounded values above zero, one for each listener; None below three listeners, or where
    all have the same mean to the digit, which no real ones do."""
    if len(said) < 3 or len({fmean(each) for each in said}) == 1:
        return None
    values = [bounded(each) for each in said]
    mean, error = fmean(values), standard_error(values) or 0.0
    return Assessed(
        mean,
        error,
        mean - t_isf(level, len(values) - 1) * error,
        min(_without_one(values, 2 * alpha), _without_few(values)),
    )


def _without_one(values: Sequence[float], level: float) -> float:
    others = len(values) - 1
    total, squares = math.fsum(values), math.fsum(value * value for value in values)
    reach = t_isf(level, others - 1) / math.sqrt(others)

    def bound(left_out: float) -> float:
        mean = (total - left_out) / others
        spread = max(0.0, squares - left_out * left_out - others * mean * mean) / (others - 1)
        return mean - reach * math.sqrt(spread)

    return min(bound(value) for value in set(values))


def _without_few(values: Sequence[float]) -> float:
    few = min(FEW, math.ceil(len(values) / 4))
    return fmean(sorted(values)[:-few])


def look_level(past: Sequence[Look], fraction: float, error: float) -> float:
    """The one-sided level left for this look, after those that spent some."""
    before = [(look.fraction, look.spent) for look in past]
    amounts: list[float] = []
    for amount, _ in [*before, (fraction, error)]:
        amounts.append(max(amount, amounts[-1] * GROWTH if amounts else amount))
    return _level(tuple(amounts), (*(total for _, total in before), error))


@lru_cache(maxsize=4096)
def _level(amounts: tuple[float, ...], spending: tuple[float, ...]) -> float:
    return nominal_levels(amounts, spending)[-1]


def is_futile(found: Assessed, worth: float) -> bool:
    """Whether the candidate is hardly as much better as a third of what is worth finding. Stopping there only lowers
    the chance to promote, so the error needs no account of it."""
    return found.mean + FUTILE * found.error < worth / 3


def conditional_power(found: Assessed, fraction: float, last_level: float) -> float:
    """Chance that the last look at information 1 promotes, if what was seen at `fraction` goes on."""
    if fraction >= 1 or found.error == 0:
        return 0.0
    at = found.mean / found.error
    return NORMAL.cdf((at / math.sqrt(fraction) - NORMAL.inv_cdf(1 - last_level)) / math.sqrt(1 - fraction))


def is_promising(found: Assessed, fraction: float, last_level: float) -> bool:
    least, most = PROMISING
    return least < conditional_power(found, fraction, last_level) < most


def detectable(stars: Sequence[float], alpha: float) -> float | None:
    """The effect, in stars, that a test over these listeners' differences finds in four of five canaries."""
    error = standard_error(stars)
    if error is None:
        return None
    return (t_isf(alpha, len(stars) - 1) + t_isf(1 - POWER, len(stars) - 1)) * error
