"""The test of one look against scipy and against its own definition, and what its answer rests on."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from services.rollout.evidence import Look
from services.rollout.promotion import (
    FEW,
    OWN_BOUND,
    Assessed,
    assessed,
    bounded,
    conditional_power,
    detectable,
    is_futile,
    look_level,
)
from services.rollout.sequential import spent
from tests.services.rollout.simulated import SIZED

LEVEL, ALPHA = 0.02, 0.05
said = st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=6), min_size=4, max_size=30).filter(
    lambda people: len({bounded(own) for own in people}) > 2
)


@given(said)
def test_the_bound_is_that_of_the_one_sample_t_test_of_bounded_means(people: list[list[int]]) -> None:
    values = [max(-OWN_BOUND, min(OWN_BOUND, sum(own) / len(own))) for own in people]
    found = assessed(people, LEVEL, ALPHA)
    assert found is not None
    expected = reference.ttest_1samp(values, 0, alternative="greater").confidence_interval(1 - LEVEL).low
    assert found.low == pytest.approx(expected, abs=1e-9)


@given(said)
def test_what_it_rests_on_is_the_worst_that_is_left_without_one_or_the_few(people: list[list[int]]) -> None:
    values = sorted(bounded(own) for own in people)
    without_one = []
    for index in range(len(values)):
        others = values[:index] + values[index + 1 :]
        if len(set(others)) == 1:
            without_one.append(others[0])
        else:
            test = reference.ttest_1samp(others, 0, alternative="greater")
            without_one.append(float(test.confidence_interval(1 - 2 * ALPHA).low))
    rest = values[: -min(FEW, math.ceil(len(values) / 4))]
    found = assessed(people, LEVEL, ALPHA)
    assert found is not None
    assert found.weakest == pytest.approx(min(*without_one, sum(rest) / len(rest)), abs=1e-7)


def test_four_looks_have_the_published_levels() -> None:
    """Lan-DeMets of the O'Brien-Fleming kind, one-sided 0.05, looks at quarters."""
    past: list[Look] = []
    levels = []
    for number, fraction in enumerate(SIZED.looks, 1):
        error = spent(fraction, ALPHA)
        levels.append(look_level(past, fraction, error))
        past.append(Look(number, fraction, error))
    bounds = [reference.norm.isf(level) for level in levels]
    assert bounds == pytest.approx([3.750, 2.540, 2.017, 1.720], abs=5e-3)


def test_nothing_is_tested_of_too_few_or_of_those_who_agree_to_the_digit() -> None:
    assert assessed([[1], [0]], LEVEL, ALPHA) is None
    assert assessed([[1, 0], [0, 1], [1, 0]], LEVEL, ALPHA) is None


def test_a_saturated_answer_still_counts() -> None:
    """All are far above the bound of an own value, by different amounts."""
    found = assessed([[3], [4], [2], [3], [5]], LEVEL, ALPHA)
    assert found == Assessed(mean=1.0, error=0.0, low=1.0, weakest=1.0)
    assert not is_futile(found, 0.33)
    assert conditional_power(found, 0.5, LEVEL) == 0.0


def test_conditional_power_is_that_of_a_drifting_walk() -> None:
    """At half of the information, at z = 1.5: the rest adds as much drift again, with standard deviation one half."""
    found = Assessed(mean=1.5, error=1.0, low=0.0, weakest=0.0)
    at_end = 1.5 / math.sqrt(0.5)
    expected = reference.norm.sf((reference.norm.isf(0.04) - at_end) / math.sqrt(0.5))
    assert conditional_power(found, 0.5, 0.04) == pytest.approx(expected)


def test_what_could_be_seen_shrinks_with_listeners() -> None:
    few, many = detectable([0.1, 0.5, -0.3, 0.2], ALPHA), detectable([0.1, 0.5, -0.3, 0.2] * 10, ALPHA)
    assert few is not None
    assert many is not None
    assert many < few / 3
    assert detectable([0.1], ALPHA) is None
