"""What one listener, or a few who conspire, can do to everybody else's release: nothing final."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rollout.decide import decide
from services.rollout.evidence import Compared, Evidence, ListenerEvidence
from services.rollout.guardrails import own_walk
from services.rollout.sequential import Signed
from tests.services.rollout.listeners import PLAN, TRACKS, canary, listener, listener_id
from tests.services.rollout.simulated import SIZED, Canary, play
from tests.services.rollout.simulated import canary as simulated


def verdict(evidence: Evidence) -> str:
    decision = decide(evidence, PLAN, [], PLAN.max_age_s)
    assert decision is not None
    return decision.verdict


@pytest.mark.parametrize("said", [-4, -1])
@pytest.mark.parametrize("often", [11, 200])
def test_one_hostile_listener_rolls_nothing_back(said: int, often: int) -> None:
    calm = [[0, 1, 0, -1]] * 11
    assert verdict(canary([[said] * often, *calm])) == "hold"


def test_one_enthusiast_promotes_nothing() -> None:
    assert verdict(canary([[4] * 200, *([[0, 1, 0, -1], [1, 0, -1, 0]] * 6)])) == "hold"


def test_tracks_that_one_listener_left_roll_nothing_back() -> None:
    left = ListenerEvidence(listener_id(99), tuple(Compared(0, None, 1) for _ in range(12)), present=True)
    assert verdict(Evidence((left, *canary([[0, 1, -1, 0]] * 11).listeners), TRACKS)) == "hold"


def test_one_listener_whose_adapter_is_broken_rolls_nobody_elses_back() -> None:
    broken = ListenerEvidence(listener_id(99), failed=1)
    assert decide(Evidence((broken, *canary([[0]] * 11).listeners), TRACKS), PLAN, [], 10) is None


def against(seed: int, effect: float, false_accounts: int, said: int) -> str:
    """Twelve honest listeners and some who always say the same, as loudly and as fast as they can."""
    plan = SIZED.model_copy(update={"pairs": 6})
    draw = np.random.default_rng(seed)
    honest = simulated(draw, 12, plan, effect)
    loud = tuple(
        listener(100 + i, [said] * plan.most, [1 if said > 0 else -1] * plan.most) for i in range(false_accounts)
    )
    paces = np.concatenate([honest.paces, np.full(false_accounts, 5.0)])
    return play(Canary((*honest.listeners, *loud), honest.effects, paces), plan).decision.verdict


def test_five_false_accounts_promote_a_worse_candidate_no_more_often_than_an_error_may() -> None:
    assert [against(seed, -0.3, 5, 4) for seed in range(40)].count("promote") <= 0.05 * 40


def test_five_false_accounts_do_not_roll_back_a_better_candidate() -> None:
    assert [against(seed, 0.4, 5, -4) for seed in range(20)].count("roll_back") == 0


@given(st.lists(st.integers(-5, 5), max_size=40), st.floats(0.5, 5))
def test_a_listeners_walk_stays_within_its_bound_and_mirrors(steps: list[int], bound: float) -> None:
    walk, mirrored = own_walk(steps, bound), own_walk([-step for step in steps], bound)
    assert abs(walk.total) <= bound + 1e-9
    assert mirrored == Signed(-walk.total, walk.squares)
    assert own_walk(steps, 1e6) == Signed(sum(steps), sum(step * step for step in steps))
