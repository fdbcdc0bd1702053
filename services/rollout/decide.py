"""Promote, hold or roll back: the whole rule, as a function of what is known. Pure: reads and writes nothing.

- *Roll back* at any moment: one of four guardrails (stars, early skips, completions, failures) says at a level that
  holds for any number of looks that the candidate is worse, and says so without any one listener too.
- *Promote* only at a planned look: the one-sided bound over listeners, at the level that this look may spend, lies
  above zero, it does so at twice the whole error without any one listener, early skips are known not to be more by the
  plan's margin (not asked where expected loss decides), and nothing speaks against the data.
- *Hold* is everything else. A hold is final where the candidate is hardly as much better as is worth finding, and at
  the last look, which a promising canary puts off once. The champion stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final
from uuid import UUID

from schemas.api import Verdict
from services.rollout.evidence import Evidence, Look
from services.rollout.guardrails import GUARDRAILS, Guardrail, guardrails, star_difference
from services.rollout.loss import belief
from services.rollout.noninferiority import more_skips
from services.rollout.objections import objection
from services.rollout.plan import EXTENDED, Plan
from services.rollout.promotion import Assessed, assessed, detectable, is_futile, is_promising, look_level, own_scores
from services.rollout.sequential import spent
from services.rollout.shrink import keepers

CLOCK: Final = 1.25  # a listener's comparisons bring looks nearer up to so many times their share
LEAST_LEVEL: Final = 1e-12  # a test at less would be one of the numbers' last digits

COULD_NOT: Final = 0
"""The look of a verdict that could not be computed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`final` ends the release. `estimate` is candidate - champion in stars, `score` the mean over listeners of their
    bounded stars and votes, which is what is tested: `level` is the one-sided level of this look's own test and `low`
    the lower bound at that level. `weakest` is what is left of it without the listener on whom it rests most: a bound
    for a promotion, a p-value for a roll-back. `detectable` is the effect in stars that these listeners' numbers would
    show in four of five canaries. None where nothing was tested. `keeps` are listeners whom a promotion leaves on their
    champion, `false_keeps` how many of them are expected to lose by it."""

    verdict: Verdict
    look: int
    final: bool
    reason: str
    fraction: float
    spent: float
    level: float | None = None
    estimate: float | None = None
    score: float | None = None
    low: float | None = None
    weakest: float | None = None
    detectable: float | None = None
    extended: bool = False
    keeps: tuple[UUID, ...] = ()
    false_keeps: float = 0.0


def decide(evidence: Evidence, plan: Plan, past: Sequence[Look], age_s: float) -> Decision | None:
    """The verdict that is due now, or None while there is nothing to decide.

    `past` are the looks taken so far, in order; `age_s` is how long the canary has run, in seconds.
    """
    fraction = information(evidence, plan, age_s, extended=bool(past) and past[-1].extended)
    number = _due_look(fraction, plan, past, age_s)
    already = past[-1].number if past else 0
    untested = Decision("hold", max(already + 1, number), True, "", fraction, past[-1].spent if past else 0.0)
    for guardrail in guardrails(evidence, plan):
        if max(guardrail.p, guardrail.weakest) <= plan.guardrail_alpha / GUARDRAILS:
            return _rolled_back(guardrail, evidence, plan, untested)
    if age_s >= plan.silent_after_s and evidence.present < plan.minimum_listeners:
        came = f"{evidence.present} of {len(evidence.listeners)} members have listened"
        return replace(untested, reason=f"{came}, {plan.minimum_listeners} are needed")
    if number <= already:
        return None
    return _look(evidence, plan, past, replace(untested, look=number, final=number == len(plan.looks)))


def failed(error: Exception, past: Sequence[Look], *, final: bool) -> Decision:
    """The hold of a release whose verdict could not be computed. It takes no planned look's place: when the cause is
    gone, the release goes on where it was."""
    fraction, error_spent = (past[-1].fraction, past[-1].spent) if past else (0.0, 0.0)
    reason = f"the verdict could not be computed: {type(error).__name__}: {error}"
    number = (past[-1].number if past else 0) + 1 if final else COULD_NOT
    return Decision("hold", number, final, reason, fraction, error_spent)


def information(evidence: Evidence, plan: Plan, age_s: float, *, extended: bool = False) -> float:
    """Fraction of the planned comparisons that is there.

    A listener counts for little more than their share, so that no few who rate all day bring a look about before the
    others have said much. Members who have long had the time to listen and did not are not waited for.
    """
    share = CLOCK * plan.pairs * (EXTENDED if extended else 1)
    expected = plan.expected or len(evidence.listeners)
    if age_s >= plan.silent_after_s:
        expected = min(expected, evidence.present)
    planned = plan.pairs * max(expected, evidence.present)
    return sum(min(len(each.pairs), share) for each in evidence.listeners) / planned if planned else 0.0


def _due_look(fraction: float, plan: Plan, past: Sequence[Look], age_s: float) -> int:
    """The number of the latest look whose time has come; 0 before the first."""
    if age_s >= plan.max_age_s:
        return len(plan.looks)
    due = sum(fraction >= look for look in plan.looks[:-1])
    last = EXTENDED if past and past[-1].extended else 1.0
    return len(plan.looks) if fraction >= last else due


def _rolled_back(guardrail: Guardrail, evidence: Evidence, plan: Plan, untested: Decision) -> Decision:
    allowed = plan.guardrail_alpha / GUARDRAILS
    said = f"p {guardrail.p:.2g} at any time, {guardrail.weakest:.2g} without any one listener, allowed {allowed:.2g}"
    stars = _stars(evidence, plan)
    return replace(
        untested,
        verdict="roll_back",
        reason=f"{guardrail.detail} ({said})",
        estimate=fmean(stars) if stars else None,
        weakest=guardrail.weakest,
    )


def _look(evidence: Evidence, plan: Plan, past: Sequence[Look], hold: Decision) -> Decision:
    """The look that `hold` stands for as long as nothing is tested."""
    said = [scores for scores in (own_scores(each, plan) for each in evidence.listeners) if scores]
    if len(said) < plan.minimum_listeners:
        return replace(hold, reason=f"{len(said)} listeners compared both arms, {plan.minimum_listeners} are needed")
    error = plan.alpha if hold.final else spent(hold.fraction, plan.alpha)
    level = look_level(past, hold.fraction, error)
    if level < LEAST_LEVEL:
        return replace(hold, reason="so early a look may spend no error")
    found = assessed(said, level, plan.alpha)
    if found is None:
        return replace(hold, reason="all listeners show the same difference to the digit, which no real ratings do")
    stars = _stars(evidence, plan)
    seen = replace(
        hold,
        spent=error,
        level=level,
        estimate=fmean(stars) if stars else None,
        score=found.mean,
        low=found.low,
        weakest=found.weakest,
        detectable=detectable(stars, plan.alpha),
    )
    against = objection(evidence, plan)
    if against is not None:
        return replace(seen, reason=against)
    if hold.final and plan.prior is not None:
        return _by_loss(evidence, plan, seen, stars)
    return _by_error(evidence, plan, past, seen, found)


def _by_error(evidence: Evidence, plan: Plan, past: Sequence[Look], seen: Decision, found: Assessed) -> Decision:
    better, reason = found.low > 0 and found.weakest > 0, _reason(seen, found)
    if better:
        assert seen.level is not None
        skips = more_skips(evidence, plan, seen.level)
        if skips is None:
            return _promoted(evidence, plan, replace(seen, reason=reason))
        reason = f"{reason}, {skips}"
    if seen.final:
        return replace(seen, reason=f"{reason}; {_unseen(seen)}")
    if is_futile(found, plan.worth):
        reason = (
            f"{reason}; hardly as much as is worth finding ({plan.worth:.2f} stars), so it ends here; {_unseen(seen)}"
        )
        return replace(seen, final=True, reason=reason)
    extended = seen.look == len(plan.looks) - 1 and _puts_off(found, plan, past, seen)
    return replace(
        seen, extended=extended, reason=f"{reason}; {_unseen(seen)}{', promising: it goes on longer' * extended}"
    )


def _puts_off(found: Assessed, plan: Plan, past: Sequence[Look], seen: Decision) -> bool:
    taken = [*past, Look(seen.look, seen.fraction, seen.spent)]
    return seen.fraction < 1 and is_promising(found, seen.fraction, look_level(taken, 1.0, plan.alpha))


def _by_loss(evidence: Evidence, plan: Plan, seen: Decision, stars: Sequence[float]) -> Decision:
    assert plan.prior is not None
    after = belief(stars, plan.prior)
    if after is None:
        return replace(seen, reason="too few listeners gave stars to both to weigh what a promotion may cost")
    reason = (
        f"by expected loss, as this small canary's plan declares: candidate - champion is believed to be"
        f" {after.mean:+.2f} stars, below zero with a chance of {after.worse:.0%}, and a promotion to cost"
        f" {after.loss:.3f} stars"
    )
    return _promoted(evidence, plan, replace(seen, reason=reason)) if after.promotes else replace(seen, reason=reason)


def _promoted(evidence: Evidence, plan: Plan, seen: Decision) -> Decision:
    keeps, false_keeps = keepers(evidence, plan)
    return replace(seen, verdict="promote", final=True, keeps=keeps, false_keeps=false_keeps)


def _reason(seen: Decision, found: Assessed) -> str:
    stars = "unknown in" if seen.estimate is None else f"{seen.estimate:+.2f}"
    where = "above" if found.low > 0 else "not above"
    alone = "" if found.low <= 0 or found.weakest > 0 else ", but it rests on one listener"
    return (
        f"candidate - champion is {stars} stars; stars and votes are {where} zero at this look's one-sided level"
        f" {seen.level:.2g} (bound {found.low:+.2f}){alone}"
    )


def _unseen(seen: Decision) -> str:
    return "" if seen.detectable is None else f"less than {seen.detectable:.2f} stars would not have been seen"


def _stars(evidence: Evidence, plan: Plan) -> list[float]:
    each = (star_difference(listener, plan) for listener in evidence.listeners)
    return [value for value in each if value is not None]
