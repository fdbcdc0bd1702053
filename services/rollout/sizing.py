"""How many comparisons a canary needs to find what is worth finding, and what it can find at most. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.rollout.plan import Plan, Prior
from services.rollout.promotion import POWER
from services.rollout.shrink import BETWEEN, Spread
from services.student import t_isf

WITHIN: Final = 1.22
"""Variance of one twin's difference of stars, stars squared: twice a rating's .87, correlated by .3."""
BELIEVED: Final = 4  # releases that what is believed before any counts for
LEAST_PAIRS: Final = 3


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier release showed: its effect and the standard error of that, and how comparisons spread; stars."""

    estimate: float
    error: float
    spread: Spread | None


def sized(plan: Plan, members: int, active: int, earlier: Sequence[Earlier]) -> Plan:
    """`plan` with as many comparisons a listener as find `worth` in four of five canaries, at least `LEAST_PAIRS` and
    at most as many as it has; its prior goes where that is reached, and else follows from earlier releases.

    `members` are in the release, `active` of them have listened lately. From n listeners with m comparisons each the
    mean's variance is (between + within / m) / n.
    """
    # Where hardly anybody is known to have listened, nothing is known of who will.
    listeners = members if active < plan.minimum_listeners else min(members, active)
    if listeners < 2:
        return plan.model_copy(update={"expected": listeners})
    known = spread_of(earlier)
    reach = t_isf(plan.alpha, listeners - 1) + t_isf(1 - POWER, listeners - 1)
    room = listeners * (plan.worth / reach) ** 2 - known.between
    needed = math.ceil(known.within / room) if room > 0 else math.inf
    pairs = int(max(min(LEAST_PAIRS, plan.pairs), min(needed, plan.pairs)))
    return plan.model_copy(
        update={
            "pairs": pairs,
            "expected": listeners,
            "detectable": reach * math.sqrt((known.between + known.within / pairs) / listeners),
            "prior": None if plan.prior is None or needed <= plan.pairs else prior_of(earlier),
        }
    )


def spread_of(earlier: Sequence[Earlier]) -> Spread:
    """The mean over earlier releases, beside what was believed before."""
    seen = [each.spread for each in earlier if each.spread is not None]
    weight = len(seen) + BELIEVED
    return Spread(
        (sum(each.within for each in seen) + BELIEVED * WITHIN) / weight,
        (sum(each.between for each in seen) + BELIEVED * BETWEEN) / weight,
    )


def prior_of(earlier: Sequence[Earlier]) -> Prior:
    """Mean and spread of releases' true effects by moments, beside four that were believed before."""
    before = Prior()
    weight = len(earlier) + BELIEVED
    mean = (sum(each.estimate for each in earlier) + BELIEVED * before.mean) / weight
    beyond = sum(max(0.0, (each.estimate - mean) ** 2 - each.error**2) for each in earlier)
    return Prior(mean=mean, sd=math.sqrt((beyond + BELIEVED * before.sd**2) / weight))
