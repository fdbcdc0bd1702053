"""Made-up canaries for the tests: who said what of candidate and champion."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from schemas.events import Arm
from services.rollout.evidence import ArmCounts, Compared, Evidence, ListenerEvidence
from services.rollout.plan import Plan

ARMS: tuple[Arm, ...] = ("base", "cold", "champion", "candidate")
SHARES: Mapping[Arm, float] = {"base": 0.25, "cold": 0.15, "champion": 0.3, "candidate": 0.3}
PLAN = Plan(
    shares=dict(SHARES),
    looks=(0.5, 1.0),
    pairs=4,
    alpha=0.05,
    guardrail_alpha=0.05,
    sample_ratio_alpha=0.001,
    minimum_listeners=3,
    max_age_s=3600,
    silent_after_s=900,
)
TRACKS: Mapping[Arm, ArmCounts] = {
    arm: ArmCounts(asked=int(80 * share), made=int(80 * share), rated=int(80 * share)) for arm, share in SHARES.items()
}


def listener_id(index: int) -> UUID:
    return UUID(int=(0x7 << 76) | (0x2 << 62) | index)


def listener(index: int, stars: Sequence[int] = (), votes: Sequence[int] | None = None) -> ListenerEvidence:
    """Candidate - champion, pair by pair; without votes unless some are given."""
    said = [None] * len(stars) if votes is None else votes
    return ListenerEvidence(listener_id(index), tuple(map(Compared, stars, said)), present=len(stars) > 0)


def canary(stars: Sequence[Sequence[int]], tracks: Mapping[Arm, ArmCounts] = TRACKS) -> Evidence:
    """One listener for each element, with these differences of stars."""
    return Evidence(tuple(listener(index, own) for index, own in enumerate(stars)), tracks)
