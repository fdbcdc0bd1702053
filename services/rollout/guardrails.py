"""What can roll a candidate back at any moment: four comparisons with the champion, in each of which a listener counts
once. Pure.

If candidate and champion do not differ, a fair coin gave each comparison its sign. A listener's signed numbers are
added up in order, and the sum is kept within a bound: what would lead out of it is cut to what is left on either side,
which the past alone decides, so that signs stay fair and the sum over listeners is a test that holds however often it
is read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from services.rollout.evidence import Compared, Evidence, ListenerEvidence
from services.rollout.plan import Plan
from services.rollout.sequential import Signed, anytime_p

SCORE_BOUND: Final = 2.0  # of stars and vote: one clear preference
COUNT_BOUND: Final = 1.0  # of skips, completions, failures: one
SQUARES: Final = 0.75  # of the bound's square, per listener: where the tests are sharpest
GUARDRAILS: Final = 4


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One comparison of candidate with champion; `p` is valid at any time, small means the candidate is worse.
    `weakest` is the largest that it becomes when one listener is left out."""

    name: str
    p: float
    weakest: float
    detail: str


def guardrails(evidence: Evidence, plan: Plan) -> list[Guardrail]:
    """Each comparison that can roll a candidate back."""

    def compared(name: str, worse: Callable[[Compared], float], bound: float, detail: str) -> Guardrail:
        own = [own_walk(map(worse, each.pairs[: plan.most]), bound) for each in evidence.listeners]
        return _guardrail(name, own, bound, detail)

    failed = [Signed(each.failed, abs(each.failed)) for each in evidence.listeners]
    return [
        compared("stars", lambda pair: -pair.score(plan.vote_weight), SCORE_BOUND, _liked_less(evidence, plan)),
        compared("skips", lambda pair: pair.skipped, COUNT_BOUND, "the candidate is skipped early more often"),
        compared(
            "completions", lambda pair: -pair.completed, COUNT_BOUND, "the candidate is heard to the end less often"
        ),
        _guardrail("failures", failed, COUNT_BOUND, "generation with the candidate fails"),
    ]


def own_walk(steps: Iterable[float], bound: float) -> Signed:
    """One listener's steps in their order, the sum kept within `bound` on either side."""
    at = squares = 0.0
    for step in steps:
        room = bound - abs(at)
        if room <= 0:
            break
        cut = max(-room, min(room, step))
        at, squares = at + cut, squares + cut * cut
    return Signed(at, squares)


def _guardrail(name: str, own: list[Signed], bound: float, detail: str) -> Guardrail:
    expected = SQUARES * bound * bound * max(1, len(own))
    whole = sum(own, Signed())
    p = anytime_p(whole, expected)
    # Many listeners have the same numbers, so there are few different sums to try.
    weakest = max((anytime_p(whole + Signed(-one.total, -one.squares), expected) for one in set(own)), default=1.0)
    worse, better = sum(one.total > 0 for one in own), sum(one.total < 0 for one in own)
    return Guardrail(name, p, weakest, f"{detail}: for {worse} listeners, the other way for {better}")


def _liked_less(evidence: Evidence, plan: Plan) -> str:
    values = [star_difference(each, plan) for each in evidence.listeners]
    stars = [value for value in values if value is not None]
    seen = f"{fmean(stars):+.2f} stars over {len(stars)} listeners" if stars else "no listener rated both"
    return f"the candidate is liked less ({seen})"


def star_difference(listener: ListenerEvidence, plan: Plan) -> float | None:
    """One listener's mean difference candidate - champion over their comparisons that count, in stars."""
    given = [pair.stars for pair in listener.pairs[: plan.most] if pair.stars is not None]
    return fmean(given) if given else None
