"""Canaries whose truth is known, decided by the real rule: for tests of its error and for the tables in the documents.

A listener has a level N(3.4, 0.7) and an own effect N(effect, tau); a track's quality is the level, plus the effect on
the candidate, plus noise of sd 1, of which twins share `CORRELATED` and the vote half of the rest. Stars are rounded
and clipped, votes tie within `TIE`, and who dislikes a track leaves it early. None of it is measured on people.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schemas.events import Arm
from services.rollout.decide import Decision, decide
from services.rollout.evidence import ArmCounts, Compared, Evidence, ListenerEvidence, Look
from services.rollout.plan import Plan
from tests.services.rollout.listeners import PLAN, listener_id

LEVEL, LEVEL_SD, NOISE_SD = 3.4, 0.7, 1.0
CORRELATED = 0.3
TIE = 0.35
PACE_SD = 0.3  # of the logarithm of how fast listeners go on
READINGS = 20  # of the feedback, by the time that the plan is fulfilled
SIZED = PLAN.model_copy(update={"looks": (0.25, 0.5, 0.75, 1.0), "skip_margin": 0.1})


@dataclass(frozen=True)
class Canary:
    """What would be heard if it went on for ever, what listeners are truly worth it for, and how fast they are."""

    listeners: tuple[ListenerEvidence, ...]
    effects: np.ndarray
    paces: np.ndarray

    def at(self, comparisons: float) -> Evidence:
        """What is known when the mean listener has made so many comparisons."""
        made = [int(comparisons * pace) for pace in self.paces]
        heard = tuple(
            replace(each, pairs=each.pairs[:count], present=count > 0)
            for each, count in zip(self.listeners, made, strict=True)
        )
        total = sum(min(count, len(each.pairs)) for count, each in zip(made, self.listeners, strict=True))
        counts = ArmCounts(asked=total, made=total, rated=total)
        tracks: dict[Arm, ArmCounts] = {"champion": counts, "candidate": counts}
        return Evidence(heard, tracks)


def canary(
    draw: np.random.Generator, listeners: int, plan: Plan, effect: float, tau: float = 0.3, *, votes: bool = True
) -> Canary:
    """One release on `listeners`, each with as many comparisons as can count."""
    size = (listeners, plan.most)
    effects = draw.normal(effect, tau, listeners)
    level = draw.normal(LEVEL, LEVEL_SD, (listeners, 1)) + NOISE_SD * math.sqrt(CORRELATED) * draw.normal(size=size)
    own = NOISE_SD * math.sqrt((1 - CORRELATED) / 2)
    felt = [level + own * draw.normal(size=size), level + effects[:, None] + own * draw.normal(size=size)]
    champion, candidate = (each + own * draw.normal(size=size) for each in felt)
    stars = np.clip(np.round(candidate), 1, 5) - np.clip(np.round(champion), 1, 5)
    preferred = felt[1] - felt[0] + own * (draw.normal(size=size) - draw.normal(size=size))
    voted = np.where(np.abs(preferred) < TIE, 0, np.sign(preferred))
    left = [draw.random(size) < 1 / (1 + np.exp(2 * (each - 1.5))) for each in (champion, candidate)]
    ended = [draw.random(size) < 1 / (1 + np.exp(2 * (2.5 - each))) for each in (champion, candidate)]
    skipped = left[1].astype(int) - left[0]
    completed = (ended[1] & ~left[1]).astype(int) - (ended[0] & ~left[0])
    people = tuple(
        ListenerEvidence(
            listener_id(who),
            tuple(
                Compared(
                    int(stars[who, k]),
                    int(voted[who, k]) if votes else None,
                    int(skipped[who, k]),
                    int(completed[who, k]),
                )
                for k in range(plan.most)
            ),
        )
        for who in range(listeners)
    )
    paces = np.exp(draw.normal(0, PACE_SD, listeners))
    return Canary(people, effects, paces / paces.mean())


@dataclass(frozen=True)
class End:
    """How a canary ended, after which part of its plan, and what was known then."""

    decision: Decision
    used: float
    evidence: Evidence


def play(canary: Canary, plan: Plan) -> End:
    """Readings as the rollout process takes them, until one ends the release."""
    past: list[Look] = []
    for comparisons in _readings(plan):
        evidence = canary.at(comparisons)
        over = comparisons >= 2 * plan.pairs
        decision = decide(evidence, plan, past, plan.max_age_s if over else 0.0)
        if decision is None:
            continue
        if decision.final:
            return End(decision, decision.fraction, evidence)
        past.append(Look(decision.look, decision.fraction, decision.spent, decision.extended))
    raise AssertionError("the last look is final")


def _readings(plan: Plan) -> Iterator[float]:
    yield from (plan.pairs * step / READINGS for step in range(1, 2 * READINGS + 1))
