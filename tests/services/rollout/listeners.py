"""Made-up canaries for the tests: who rated what."""

import random
from collections.abc import Mapping, Sequence
from uuid import UUID

from schemas.events import Arm
from services.rollout.evidence import ArmCounts, Evidence, ListenerRatings
from services.rollout.plan import Plan
from services.rollout.stats import Ratings

ARMS: tuple[Arm, ...] = ("base", "cold", "champion", "candidate")
SHARES: Mapping[Arm, float] = {"base": 0.25, "cold": 0.15, "champion": 0.3, "candidate": 0.3}
PLAN = Plan(
    shares=dict(SHARES),
    looks=(0.5, 1.0),
    ratings_per_arm=4,
    alpha=0.05,
    guardrail_alpha=0.05,
    sample_ratio_alpha=0.001,
    minimum_listeners=3,
    max_age_s=3600,
    silent_after_s=900,
)
Given = tuple[Arm, int]
TRACKS: Mapping[Arm, ArmCounts] = {
    arm: ArmCounts(drawn=int(80 * share), started=int(80 * share)) for arm, share in SHARES.items()
}


def listener_id(index: int) -> UUID:
    return UUID(int=(0x7 << 76) | (0x2 << 62) | index)


def canary(stars: Sequence[Mapping[Arm, Sequence[int]]], tracks: Mapping[Arm, ArmCounts] = TRACKS) -> Evidence:
    """One listener for each element, with these stars by arm."""
    return Evidence(
        tuple(
            ListenerRatings(
                listener_id(index),
                arms={arm: Ratings.of(given) for arm, given in arms.items()},
                present=any(arms.values()),
            )
            for index, arms in enumerate(stars)
        ),
        tracks,
    )


def clamp(value: float) -> int:
    return min(5, max(1, round(value)))


def rated(draw: random.Random, listeners: int, tracks: int, uplift: float, spread: float = 0.4) -> list[list[Given]]:
    """For each listener `tracks` pairs (arm, stars): level, effect and noise differ by listener."""
    people: list[list[Given]] = []
    for _ in range(listeners):
        level, effect = draw.gauss(3, 0.7), draw.gauss(uplift, spread)
        given: list[Given] = []
        for _ in range(tracks):
            arm = draw.choices(ARMS, [SHARES[arm] for arm in ARMS])[0]
            given.append((arm, clamp(level + (effect if arm == "candidate" else 0) + draw.gauss(0, 0.9))))
        people.append(given)
    return people


def upto(people: Sequence[Sequence[Given]], tracks: int) -> Evidence:
    """What is known after each listener's first `tracks` ratings."""
    return canary([{arm: [s for a, s in given[:tracks] if a == arm] for arm in ARMS} for given in people])
