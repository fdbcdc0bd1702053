"""How a release reaches its members in steps. Pure: reads and writes nothing.

A step is worth its time only where it sees something: with three ratings on each arm the guardrails notice a candidate
that is a whole star worse at ten listeners in a quarter of the cases, at twenty in five of six.
"""

import math
from collections.abc import Sequence

from services.rollout.evidence import Evidence
from services.rollout.plan import Plan


def steps(fractions: Sequence[float], members: int, least: int) -> tuple[int, ...]:
    """How many members have joined at each step, the last all of them; steps of fewer than `least` are left out."""
    counts = sorted({math.ceil(fraction * members) for fraction in fractions} | {members})
    return tuple(count for count in counts if count >= least or count == members)


def is_due(evidence: Evidence, plan: Plan, joined: int, age_s: float, longest_s: float) -> bool:
    """Whether those who have joined have given their planned ratings, or had time enough.

    Guardrails are not asked: one that says that the candidate is worse has ended the release."""
    ratings = evidence.ratings("champion") + evidence.ratings("candidate")
    return age_s >= longest_s or ratings >= plan.planned_ratings(joined)
