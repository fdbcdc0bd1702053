"""What one listener's own comparisons say once they are weighed against everybody's. Pure.

A listener's effect is drawn about the release's mean with variance tau^2, what they said is drawn about their effect
with variance v; the posterior mean is B d + (1 - B) mu with B = tau^2 / (tau^2 + v) (Efron and Morris, JASA 70, 1975).
Its chance to be wrong is the local false sign rate (Stephens, Biostatistics 18, 2017).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import Final
from uuid import UUID

from services.rollout.evidence import Evidence
from services.rollout.plan import Plan
from services.rollout.promotion import bounded, own_scores

NORMAL: Final = NormalDist()
WORSE_OFF: Final = 0.8
"""Chance of an own effect below zero from which on a listener keeps their champion, though the test found the candidate
better."""
RATHER_WORSE_OFF: Final = 0.5
"""The same where expected loss promoted: then each hears what is rather better for them, which gains most."""
BETWEEN: Final = 0.07
"""Variance of listeners' own effects, in stars squared, that is believed before a release says something."""
BELIEVED: Final = 4  # listeners that this belief counts for


@dataclass(frozen=True, slots=True)
class Own:
    """One listener's posterior: mean in stars and votes, and the chance that the candidate is worse for them."""

    listener_id: UUID
    mean: float
    worse: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Variances of what listeners say: of one comparison within a listener, and between listeners' own effects."""

    within: float
    between: float


def spread(said: Sequence[Sequence[float]]) -> Spread | None:
    """By moments, from each listener's numbers; None while no listener has two or there are fewer than three."""
    freedom = sum(len(each) - 1 for each in said)
    if len(said) < 3 or freedom < 1:
        return None
    means = [fmean(each) for each in said]
    within = sum((one - mean) ** 2 for each, mean in zip(said, means, strict=True) for one in each) / freedom
    noise = within * fmean(1 / len(each) for each in said)
    seen = max(0.0, variance(means) - noise)
    return Spread(within, ((len(said) - 1) * seen + BELIEVED * BETWEEN) / (len(said) - 1 + BELIEVED))


def own_effects(evidence: Evidence, plan: Plan) -> list[Own]:
    """The posterior of each listener who compared; empty where nothing tells noise from differences."""
    named = {each.listener_id: own_scores(each, plan) for each in evidence.listeners if each.pairs}
    found = spread(list(named.values()))
    if found is None:
        return []
    values = [bounded(said) for said in named.values()]
    centre, error = fmean(values), variance(values) / len(values)
    return [_posterior(who, said, found, centre, error) for who, said in named.items()]


def _posterior(who: UUID, said: Sequence[float], found: Spread, centre: float, error: float) -> Own:
    noise = found.within / len(said)
    weight = found.between / (found.between + noise)
    mean = weight * fmean(said) + (1 - weight) * centre
    uncertain = weight * noise + (1 - weight) ** 2 * error
    return Own(who, mean, NORMAL.cdf(-mean / math.sqrt(uncertain)) if uncertain > 0 else float(mean < 0))


def keepers(evidence: Evidence, plan: Plan) -> tuple[tuple[UUID, ...], float]:
    """Whom a promotion leaves on their champion, and how many of them are expected to lose by that."""
    most = WORSE_OFF if plan.prior is None else RATHER_WORSE_OFF
    worse = [own for own in own_effects(evidence, plan) if own.worse > most]
    return tuple(own.listener_id for own in worse), sum(1 - own.worse for own in worse)
