"""Whether a candidate that is liked better is also known not to be left early much more often. Pure.

A guardrail says that a candidate *is* skipped more often; silence of it says nothing where numbers are small. So a
promotion asks for the opposite: that more than the plan's margin is ruled out (Schultzberg, Ankargren, Franberg, arXiv
2402.11609: every guardrail metric non-inferior, each at the level of the test of success, since all must pass).
"""

import math
from statistics import fmean, stdev

from services.rollout.evidence import Evidence
from services.rollout.plan import Plan
from services.student import t_isf


def more_skips(evidence: Evidence, plan: Plan, level: float) -> str | None:
    """What keeps a promotion back because of early skips; None where nothing does, or the plan asks nothing.

    A listener's value is the mean over their comparisons of (candidate skipped - champion skipped), and the one-sided
    t-bound is over listeners. So that nobody vetoes alone, it is without the listener who speaks most against the
    candidate, and pays for that with half of this look's level.
    """
    if plan.skip_margin is None:
        return None
    own = sorted(fmean(pair.skipped for pair in each.pairs[: plan.most]) for each in evidence.listeners if each.pairs)
    others = own[:-1]
    bound = fmean(others) + t_isf(level / 2, len(others) - 1) * stdev(others) / math.sqrt(len(others))
    if bound < plan.skip_margin:
        return None
    return (
        f"but it may be skipped early up to {bound:+.0%} of tracks more often without any one listener, where"
        f" {plan.skip_margin:+.0%} are allowed"
    )
