"""A decision by expected loss, for products too small for a test: declared in the plan, never a fallback. Pure.

It does not keep a rate of false promotions; it keeps small what a wrong one costs (Feit and Berman, Test & Roll,
Marketing Science 38, 2019; Azevedo et al., A/B testing with fat tails, Journal of Political Economy 128, 2020).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final

from services.rollout.plan import Prior
from services.rollout.stats import standard_error

NORMAL: Final = NormalDist()
BEARABLE: Final = 0.05
"""Stars a listener that a promotion may be expected to cost, over the worlds in which it is wrong."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of the release's effect: mean and standard deviation in stars, the chance that it is below zero,
    and what a promotion is expected to cost."""

    mean: float
    sd: float
    worse: float
    loss: float

    @property
    def promotes(self) -> bool:
        return self.mean > 0 and self.loss < BEARABLE


def belief(stars: Sequence[float], prior: Prior) -> Belief | None:
    """The posterior after one mean difference for each listener; None where they show no spread."""
    error = standard_error(stars)
    if not error:
        return None
    weight = prior.sd**2 / (prior.sd**2 + error**2)
    mean = weight * fmean(stars) + (1 - weight) * prior.mean
    sd = math.sqrt(weight) * error
    worse = NORMAL.cdf(-mean / sd)
    return Belief(mean, sd, worse, sd * NORMAL.pdf(mean / sd) - mean * worse)
