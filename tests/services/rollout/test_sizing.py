"""A plan follows from what it must find, from who takes part, and from what earlier releases showed."""

import numpy as np
import pytest

from services.rollout.plan import Prior
from services.rollout.shrink import Spread
from services.rollout.sizing import Earlier, prior_of, sized
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.simulated import SIZED, canary, play

MOST = SIZED.model_copy(update={"pairs": 20})


@pytest.mark.parametrize(("listeners", "pairs"), [(12, 11), (20, 5), (50, 3), (1000, 3), (5, 20)])
def test_few_listeners_compare_more(listeners: int, pairs: int) -> None:
    plan = sized(MOST, listeners, listeners, [])
    assert (plan.pairs, plan.expected) == (pairs, listeners)
    assert plan.detectable is not None
    assert (plan.detectable <= PLAN.worth) is (listeners > 5)


def test_members_who_have_gone_are_not_expected() -> None:
    assert sized(MOST, 50, 12, []).expected == 12
    assert sized(MOST, 12, 0, []).expected == 12, "nothing is known of them"


def test_what_earlier_releases_showed_changes_the_plan() -> None:
    noisy = [Earlier(0.1, 0.2, Spread(within=3.0, between=0.07))] * 20
    assert sized(MOST, 20, 20, noisy).pairs > sized(MOST, 20, 20, []).pairs


def test_loss_decides_only_where_the_plan_cannot_find_what_is_worth_finding() -> None:
    declared = MOST.model_copy(update={"prior": Prior()})
    assert sized(declared, 20, 20, []).prior is None
    assert sized(declared, 4, 4, []).prior is not None
    assert sized(MOST, 4, 4, []).prior is None


def test_the_prior_follows_the_effects_of_earlier_releases() -> None:
    assert prior_of([]) == Prior()
    good = prior_of([Earlier(0.5, 0.1, None), Earlier(0.7, 0.1, None)] * 8)
    assert 0.4 < good.mean < 0.6
    loud = prior_of([Earlier(1.0, 0.9, None), Earlier(-1.0, 0.9, None)] * 8)
    assert loud.sd < prior_of([Earlier(1.0, 0.1, None), Earlier(-1.0, 0.1, None)] * 8).sd


def test_a_plan_for_twenty_finds_what_it_was_sized_for() -> None:
    """A latent +0.4 is about a third of a star once it is rounded and clipped."""
    plan, draw = sized(MOST, 20, 20, []), np.random.default_rng(7)
    found = [play(canary(draw, 20, plan, 0.4), plan).decision.verdict for _ in range(40)]
    assert found.count("promote") >= 0.81 * 40 - 2 * (40 * 0.81 * 0.19) ** 0.5
