"""Promote, hold or roll back: the whole rule, as a function of what is known. Pure: reads and writes nothing.

- *Roll back* at any moment: one of four guardrails (stars, early skips, completions, failures) says at a level that
  holds for any number of looks that the candidate is worse than the champion.
- *Promote* only at a planned look: the listener-clustered one-sided interval of candidate - champion, at the level
  that this look may spend, lies above zero, and nothing speaks against the data.
- *Hold* is everything else. A hold at the last look retires the candidate; the champion stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final
from uuid import UUID

from schemas.api import Verdict
from services.rollout.evidence import Evidence, ListenerRatings, Look
from services.rollout.plan import Plan
from services.rollout.sequential import Signed, anytime_p, nominal_levels, spent
from services.rollout.stats import difference, own_upper_bound, sample_ratio_p, standard_error
from services.student import t_isf

MIDDLE_STARS: Final = 3.0
MIDDLE_WEIGHT: Final = 2  # ratings that the middle counts for when a listener has given few
CAP: Final = 2.0  # one listener counts for at most so many times their share of the planned ratings
GROWTH: Final = 1.05  # least growth of information between looks; less would claim more precision than the grid has
LEAST_LEVEL: Final = 1e-12  # a test at less would be one of the numbers' last digits

# Sums of squares per planned rating at which a guardrail is sharpest: variance of stars; rates of skips, completions.
STARS_SQUARES: Final = 1.0
LISTENS_SQUARES: Final = 0.3
FAILURES_SQUARES: Final = 8.0  # absolute: failures are rare

CLEARLY_WORSE_STARS: Final = -1.0
CLEARLY_WORSE_RATINGS: Final = 4


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One comparison of candidate with champion; `p` is valid at any time, small means the candidate is worse."""

    name: str
    p: float
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`final` ends the release. `keeps` are listeners whom a promotion leaves on their champion. `level` is the
    one-sided level of this look's own test and `low` the lower bound of candidate - champion at that level, in stars;
    both are None where no test was made."""

    verdict: Verdict
    look: int
    final: bool
    reason: str
    fraction: float
    spent: float
    level: float | None = None
    estimate: float | None = None
    low: float | None = None
    keeps: tuple[UUID, ...] = ()


def decide(evidence: Evidence, plan: Plan, past: Sequence[Look], age_s: float) -> Decision | None:
    """The verdict that is due now, or None while there is nothing to decide.

    `past` are the looks taken so far, in order; `age_s` is how long the canary has run, in seconds.
    """
    fraction = information(evidence, plan, age_s)
    number = _due_look(fraction, plan, age_s)
    already = past[-1].number if past else 0
    for guardrail in guardrails(evidence, plan):
        if guardrail.p <= plan.guardrail_alpha / 4:
            reason = f"{guardrail.detail} (p {guardrail.p:.2g} at any time, allowed {plan.guardrail_alpha / 4:.2g})"
            error = past[-1].spent if past else 0.0
            return Decision("roll_back", max(already + 1, number), True, reason, fraction, error)
    present = sum(listener.present for listener in evidence.listeners)
    if age_s >= plan.silent_after_s and present < plan.minimum_listeners:
        reason = f"{present} of {len(evidence.listeners)} members have listened, {plan.minimum_listeners} are needed"
        return Decision("hold", already + 1, True, reason, fraction, past[-1].spent if past else 0.0)
    if number <= already:
        return None
    return _look(evidence, plan, past, number, fraction)


def failed(error: Exception, past: Sequence[Look], *, final: bool) -> Decision:
    """The hold of a release whose verdict could not be computed. Look 0 takes no planned look's place: when the cause
    is gone, the release goes on where it was."""
    fraction, error_spent = (past[-1].fraction, past[-1].spent) if past else (0.0, 0.0)
    reason = f"the verdict could not be computed: {type(error).__name__}: {error}"
    return Decision("hold", past[-1].number + 1 if final and past else int(final), final, reason, fraction, error_spent)


def information(evidence: Evidence, plan: Plan, age_s: float) -> float:
    """Fraction of the planned ratings on champion and candidate that is there, at most 2.

    A listener counts for at most twice their share, so that one who rates all day does not bring a look about alone.
    Members who have long had the time to listen and did not are not waited for.
    """
    cap = CAP * plan.planned_ratings(1)
    counts = (listener.on("champion").count + listener.on("candidate").count for listener in evidence.listeners)
    waits = age_s < plan.silent_after_s
    planned = plan.planned_ratings(sum(waits or listener.present for listener in evidence.listeners))
    return sum(min(count, cap) for count in counts) / planned if planned else 0.0


def guardrails(evidence: Evidence, plan: Plan) -> list[Guardrail]:
    """Each comparison that can roll a candidate back.

    Between champion and candidate a fair coin has chosen, so if they do not differ, each rating's distance from the
    listener's earlier mean, each skip, each completion and each failure is as likely on one as on the other.
    """
    planned = plan.planned_ratings(max(1, len(evidence.listeners)))
    champion, candidate = evidence.counts("champion"), evidence.counts("candidate")
    worse_stars = sum((_worse_stars(listener) for listener in evidence.listeners), Signed())
    listens = LISTENS_SQUARES * planned
    return [
        Guardrail("stars", anytime_p(worse_stars, STARS_SQUARES * planned), _rated_lower(evidence)),
        _counted("skips", candidate.skipped, champion.skipped, listens, "the candidate is skipped early more often"),
        _counted(
            "completions", champion.completed, candidate.completed, listens, "the candidate is heard to the end less"
        ),
        _counted(
            "failures", candidate.failed, champion.failed, FAILURES_SQUARES, "generation with the candidate fails"
        ),
    ]


def _rated_lower(evidence: Evidence) -> str:
    values = evidence.differences("champion", "candidate")
    ratings = evidence.ratings("champion") + evidence.ratings("candidate")
    seen = f"{fmean(values):+.2f} stars over {len(values)} listeners" if values else "no listener rated both"
    return f"the candidate is rated lower: {seen}, {ratings} ratings"


def _counted(name: str, worse: int, better: int, expected: float, detail: str) -> Guardrail:
    p = anytime_p(Signed(worse - better, worse + better), expected)
    return Guardrail(name, p, f"{detail}: {worse} against {better}")


def _worse_stars(listener: ListenerRatings) -> Signed:
    """How far the champion's ratings lie above the candidate's, about a centre fixed before the release began."""
    before = listener.before
    centre = (before.total + MIDDLE_STARS * MIDDLE_WEIGHT) / (before.count + MIDDLE_WEIGHT)
    champion, candidate = listener.on("champion"), listener.on("candidate")
    above = (champion.total - champion.count * centre) - (candidate.total - candidate.count * centre)
    return Signed(above, champion.squares_about(centre) + candidate.squares_about(centre))


def _due_look(fraction: float, plan: Plan, age_s: float) -> int:
    """The number of the latest look whose time has come; 0 before the first."""
    if age_s >= plan.max_age_s:
        return len(plan.looks)
    return sum(fraction >= look for look in plan.looks)


def _look(evidence: Evidence, plan: Plan, past: Sequence[Look], number: int, fraction: float) -> Decision:
    final = number == len(plan.looks)
    error = plan.alpha if final else spent(fraction, plan.alpha)
    values = evidence.differences("champion", "candidate")
    scatter = standard_error(values)
    if len(values) < plan.minimum_listeners or scatter is None:
        reason = f"{len(values)} listeners rated both arms, {plan.minimum_listeners} are needed"
        # Nothing was tested, so nothing is spent.
        return Decision("hold", number, final, reason, fraction, past[-1].spent if past else 0.0)
    level = _level(past, fraction, error)
    if level < LEAST_LEVEL:
        reason = "so early a look may spend no error"
        return Decision("hold", number, final, reason, fraction, past[-1].spent if past else 0.0)
    estimate = fmean(values)
    low = estimate - t_isf(level, len(values) - 1) * scatter
    against = _against(evidence, plan, scatter)
    better = low > 0 and against is None
    reason = against or (
        f"candidate - champion is {estimate:+.2f} stars over {len(values)} listeners, "
        f"{'above' if low > 0 else 'not above'} zero at this look's one-sided level {level:.2g} (bound {low:+.2f})"
    )
    return Decision(
        verdict="promote" if better else "hold",
        look=number,
        final=better or final,
        reason=reason,
        fraction=fraction,
        spent=error,
        level=level,
        estimate=estimate,
        low=low,
        keeps=tuple(each.listener_id for each in evidence.listeners if keeps_champion(each)) if better else (),
    )


def _level(past: Sequence[Look], fraction: float, error: float) -> float:
    """The one-sided level left for this look, after those that spent some."""
    tested = [(look.fraction, look.spent) for look in past]
    amounts: list[float] = []
    for amount, _ in [*tested, (fraction, error)]:
        amounts.append(max(amount, amounts[-1] * GROWTH if amounts else amount))
    return nominal_levels(amounts, [*(total for _, total in tested), error])[-1]


def _against(evidence: Evidence, plan: Plan, scatter: float) -> str | None:
    """Why these data must not promote, whatever they say; None when nothing speaks against them."""
    # Without the cold arm, which a listener who brought no song is not drawn to; the ratios of the others stay.
    drawn = [evidence.counts(arm).drawn for arm in ("base", "champion", "candidate")]
    shares = (plan.shares["base"], plan.shares["champion"], plan.shares["candidate"])
    ratio = sample_ratio_p((drawn[0], drawn[1], drawn[2]), shares)
    if ratio < plan.sample_ratio_alpha:
        return (
            f"sample ratio mismatch: {drawn} tracks on base, champion, candidate do not fit the shares (p {ratio:.1g})"
        )
    if scatter == 0:
        return "all listeners show the same difference to the digit, which no real ratings do"
    return None


def keeps_champion(listener: ListenerRatings) -> bool:
    """Whether this listener's own candidate is clearly worse: the 95 % interval of their own difference lies below
    zero, or the difference is below -1 star with at least four ratings on each arm."""
    champion, candidate = listener.on("champion"), listener.on("candidate")
    own = difference(champion, candidate)
    if own is None or own >= 0:
        return False
    upper = own_upper_bound(champion, candidate)
    if upper is not None and upper < 0:
        return True
    return own < CLEARLY_WORSE_STARS and min(champion.count, candidate.count) >= CLEARLY_WORSE_RATINGS
