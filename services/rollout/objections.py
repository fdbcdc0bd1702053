"""Why data must not promote, whatever they say: tracks that went missing on one arm. Pure."""

from services.rollout.evidence import Evidence
from services.rollout.plan import Plan
from services.rollout.stats import shares_p, split_p


def objection(evidence: Evidence, plan: Plan) -> str | None:
    """The first thing that speaks against the data; None when nothing does.

    A fair coin chose between champion and candidate, so as many tracks of each are asked for and made. Rated they need
    not be: who likes a track rates it more readily, so only a candidate that is rated *less* often hides something.
    """
    champion, candidate = evidence.counts("champion"), evidence.counts("candidate")
    for what, one, other in (
        ("asked for", champion.asked, candidate.asked),
        ("made", champion.made, candidate.made),
    ):
        p = split_p(one, other)
        if p < plan.sample_ratio_alpha:
            return (
                f"sample ratio mismatch: {one} tracks of the champion and {other} of the candidate {what} (p {p:.1g})"
            )
    p = shares_p(champion.rated, champion.made, candidate.rated, candidate.made)
    if p < plan.sample_ratio_alpha and candidate.rated * champion.made < champion.rated * candidate.made:
        rated = f"{candidate.rated} of {candidate.made} tracks against {champion.rated} of {champion.made}"
        return f"sample ratio mismatch: the candidate is rated less often, {rated} (p {p:.1g})"
    return None
