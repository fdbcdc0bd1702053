"""A listener's own answer: weighed against everybody's, by how much was said and how much listeners differ."""

import random
from statistics import fmean

import pytest

from services.rollout.plan import Prior
from services.rollout.shrink import WORSE_OFF, keepers, own_effects, spread
from tests.services.rollout.listeners import PLAN, canary, listener_id

FOR_MOST = [[1, 0, 2, 1], [1, 1, 0, 1], [0, 2, 1, 0], [2, 1, 1, 0]] * 3


def test_variances_are_found_again() -> None:
    draw, within, between = random.Random(3), [], []
    for _ in range(60):
        effects = [draw.gauss(0.2, 0.6) for _ in range(40)]
        found = spread([[draw.gauss(effect, 1.1) for _ in range(4)] for effect in effects])
        assert found is not None
        within.append(found.within)
        between.append(found.between)
    assert fmean(within) == pytest.approx(1.21, rel=0.05)
    assert fmean(between) == pytest.approx((39 * 0.36 + 4 * 0.07) / 43, rel=0.1)


def test_nothing_is_said_of_listeners_who_said_nothing_twice() -> None:
    assert spread([[1.0], [0.0], [2.0]]) is None
    assert own_effects(canary([[1], [0], [2]]), PLAN) == []


def test_the_posterior_lies_between_the_own_mean_and_everybodys() -> None:
    effects = {own.listener_id: own for own in own_effects(canary([*FOR_MOST, [-1, -1, 0, -2]]), PLAN)}
    outlier, usual = effects[listener_id(12)], effects[listener_id(0)]
    assert -1 < outlier.mean < usual.mean < 1
    assert outlier.worse > usual.worse


def test_who_said_more_is_shrunk_less() -> None:
    few, many = (own_effects(canary([*FOR_MOST, own]), PLAN)[-1] for own in ([-2, -1], [-2, -1] * 4))
    assert many.mean < few.mean


def test_who_is_clearly_worse_off_keeps_the_champion_and_one_bad_track_is_not_enough() -> None:
    keeps, lost = keepers(canary([*FOR_MOST, [-4, -3, -4, -3], [-1]]), PLAN)
    assert keeps == (listener_id(12),)
    assert 0 < lost <= 1 - WORSE_OFF


def test_where_loss_decides_each_hears_what_is_rather_better_for_them() -> None:
    evidence = canary([*FOR_MOST, [-1, -2, -1, 0, -1]])
    keeps, _ = keepers(evidence, PLAN)
    rather, lost = keepers(evidence, PLAN.model_copy(update={"prior": Prior()}))
    assert (keeps, rather) == ((), (listener_id(12),))
    assert 1 - WORSE_OFF < lost < 0.5
