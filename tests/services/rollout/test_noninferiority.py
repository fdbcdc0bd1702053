"""A candidate that is liked better is promoted only where it is known not to be left early much more often."""

from collections.abc import Sequence

import numpy as np

from services.rollout.decide import Decision, decide
from services.rollout.evidence import Compared, Evidence, ListenerEvidence
from services.rollout.noninferiority import more_skips
from services.rollout.plan import Plan
from tests.services.rollout.listeners import PLAN, TRACKS, listener_id

ASKED = PLAN.model_copy(update={"skip_margin": 0.1})
BETTER = [[*(1, 2, 0, 1)[index % 3 :], 1, 0][:4] for index in range(12)]
NEVER = [[0, 0, 0, 0]] * 12
MORE = [[index % 2, 0, 0, 0] for index in range(12)]  # an eighth of the tracks


def canary(skipped: Sequence[Sequence[int]]) -> Evidence:
    """Twelve listeners who like the candidate better, and leave it as often as this."""
    return Evidence(
        tuple(
            ListenerEvidence(
                listener_id(index),
                tuple(Compared(stars, None, left) for stars, left in zip(BETTER[index], own, strict=True)),
                present=True,
            )
            for index, own in enumerate(skipped)
        ),
        TRACKS,
    )


def decided(skipped: Sequence[Sequence[int]], plan: Plan = ASKED) -> Decision:
    decision = decide(canary(skipped), plan, [], 10)
    assert decision is not None
    return decision


def test_what_is_liked_better_and_left_early_more_often_is_held_and_says_so() -> None:
    assert decided(NEVER).verdict == "promote"
    held = decided(MORE)
    assert (held.verdict, held.final) == ("hold", True)
    assert held.low is not None
    assert held.low > 0
    assert "it may be skipped early up to +2" in held.reason
    assert "where +10% are allowed" in held.reason


def test_a_canary_planned_before_that_was_asked_goes_on_without() -> None:
    assert decided(MORE, PLAN).verdict == "promote"


def test_one_listener_who_leaves_every_track_of_the_candidate_vetoes_nothing() -> None:
    assert decided([[1, 1, 1, 1], *NEVER[1:]]).verdict == "promote"


def test_numbers_that_could_hide_the_margin_do_not_pass() -> None:
    """As often left on both, but by few comparisons: nothing is known."""
    uneven = [[(-1) ** index, 0, 0, 0] for index in range(12)]
    assert decided(uneven).verdict == "hold"


def test_a_candidate_at_the_margin_seldom_passes() -> None:
    draw, runs, level = np.random.default_rng(4), 200, 0.043
    often = np.clip(0.12 + draw.normal(0, 0.06, (runs, 12, 1)), 0.01, 0.9)
    left = (draw.random((runs, 12, 12)) < often + 0.1).astype(int) - (draw.random((runs, 12, 12)) < often)
    passed = sum(
        more_skips(
            Evidence(
                tuple(
                    ListenerEvidence(listener_id(who), tuple(Compared(0, None, int(skip)) for skip in own[:8]))
                    for who, own in enumerate(one)
                )
            ),
            ASKED,
            level,
        )
        is None
        for one in left
    )
    assert passed / runs <= 0.08 + 2 * (0.08 * 0.92 / runs) ** 0.5
