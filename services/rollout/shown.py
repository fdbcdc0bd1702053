"""What a release showed so far, kept with its decision: later plans are sized by it."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from services.rollout.evidence import Evidence
from services.rollout.plan import Plan
from services.rollout.shrink import spread
from services.rollout.stats import standard_error


def shown(evidence: Evidence, stored_plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """Candidate - champion over listeners with its standard error, and how comparisons spread, in stars; None while two
    listeners have not compared."""
    try:
        plan = Plan.model_validate(stored_plan)
    except ValueError:
        return None
    stars = [[pair.stars for pair in each.pairs[: plan.most] if pair.stars is not None] for each in evidence.listeners]
    said = [own for own in stars if own]
    means = [fmean(own) for own in said]
    error = standard_error(means)
    if error is None:
        return None
    found = spread(said)
    variances = None if found is None else {"within": found.within, "between": found.between}
    return {"estimate": fmean(means), "error": error, "spread": variances}
