"""How a release reaches its members in steps. Pure: reads and writes nothing.

A step is worth its time only where it sees something: the guardrails, in which a listener counts once, notice nothing
at ten listeners and a candidate that is much worse at twenty.
"""

import math
from collections.abc import Sequence


def steps(fractions: Sequence[float], members: int, least: int) -> tuple[int, ...]:
    """How many members have joined at each step, the last all of them; steps of fewer than `least` are left out."""
    counts = sorted({math.ceil(fraction * members) for fraction in fractions} | {members})
    return tuple(count for count in counts if count >= least or count == members)


def is_due(fraction: float, joined: int, members: int, age_s: float, longest_s: float) -> bool:
    """Whether those who have joined have given their part of what is planned for all members, or had time enough.

    `fraction` is how much of the plan is there. Guardrails are not asked: one that says that the candidate is worse has
    ended the release."""
    return age_s >= longest_s or fraction * members >= joined
