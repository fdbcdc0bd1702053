"""The permanent A/A: the champion against itself, week after week, with the code that compares two versions. Pure.

Outside canaries each listener's champion tracks are split by a bit that nothing else depends on. There is no difference
to be found, so estimate, guardrails and sample ratio alarm as often as their error says, or the machinery is wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.rollout.stats import Interval
from services.rollout.way_back import COMPARED, Person, comparisons, gained

EVEN: Final = 0.5
ERROR: Final = 0.05  # of the estimate's interval and of the guardrails, each week
RATIO_ERROR: Final = 0.001
LEAST: Final = 3  # listeners


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a week said: one half - the other, the smallest p-value of the guardrails and that of the split."""

    listeners: int
    interval: Interval | None
    nearest: float
    ratio_p: float

    @property
    def alarms(self) -> list[str]:
        """Which checks say that there is a difference."""
        wrong = {
            "estimate": self.interval is not None and not self.interval.low <= 0 <= self.interval.high,
            "guardrail": self.nearest <= ERROR / COMPARED,
            "ratio": self.ratio_p < RATIO_ERROR,
        }
        return [name for name, alarms in wrong.items() if alarms]


def judged(people: Sequence[Person], made: tuple[int, int]) -> SelfTest:
    """`people` have one half of their tracks as `champion`, the other as `previous`; `made` counts those of each."""
    p = min(one.p for one in comparisons(people, EVEN, LEAST))
    return SelfTest(len(people), gained(people), p, split_p(*made))


def split_p(one: int, other: int) -> float:
    """Chance of a split at least this uneven by a fair coin (chi-square with one degree of freedom)."""
    total = one + other
    return 1.0 if total == 0 else math.erfc(abs(one - other) / math.sqrt(2 * total))
