"""What is said of sums: against scipy, against the definitions, and by simulation of what a watcher would see."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from services.gateway.comparing import (
    Spread,
    Sums,
    benjamini_hochberg,
    holm,
    p_value,
    reach,
    shrunken,
    smallest_found,
    spread,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def sums(d: Sequence[float], b: Sequence[float] = ()) -> Sums:
    b = b or [3.0] * len(d)
    total = math.fsum
    dd, bb, db = total(x * x for x in d), total(y * y for y in b), total(x * y for x, y in zip(d, b, strict=True))
    return Sums(len(d), 2 * len(d), total(d), dd, total(b), bb, db)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fixed_interval_and_its_p_are_those_of_the_t_test(seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.normal(0.3, 0.8, 17)
    own = sums(values.tolist())
    expected = reference.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval(0.95)
    assert own.error is not None
    half = reach(own.error, 17, "fixed", "stars")
    assert (own.estimate - half, own.estimate + half) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert p_value(own.estimate, own.error, 17, "fixed", "stars") == pytest.approx(expected.pvalue, rel=1e-8)


def test_relative_uplift_is_the_ratio_with_the_error_of_the_delta_method() -> None:
    draw = np.random.default_rng(4)
    b = draw.normal(3, 0.5, 400)
    d = 0.3 * b + draw.normal(0, 0.4, 400)
    relative = sums(d.tolist(), b.tolist()).relative
    assert relative is not None
    covariance = np.cov(d, b)
    gradient = np.array([1 / b.mean(), -d.mean() / b.mean() ** 2])
    assert relative[0] == pytest.approx(d.mean() / b.mean())
    assert relative[1] == pytest.approx(math.sqrt(gradient @ covariance @ gradient / 400), rel=1e-9)


@given(P_VALUES)
def test_benjamini_hochberg_is_that_of_scipy(values: list[float]) -> None:
    assert benjamini_hochberg(values) == pytest.approx(reference.false_discovery_control(values), abs=1e-12)


@given(P_VALUES)
def test_holm_rejects_as_its_steps_say(values: list[float]) -> None:
    adjusted = holm(values)
    for level in (0.01, 0.05, 0.3):
        expected = set()
        for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
            if (len(values) - rank) * values[index] > level:
                break
            expected.add(index)
        assert {index for index, value in enumerate(adjusted) if value <= level} == expected


def test_the_spread_between_cells_is_found_where_there_is_one_and_is_nothing_where_there_is_none() -> None:
    draw = np.random.default_rng(5)
    errors = draw.uniform(0.05, 0.2, 400)
    wide = spread((0.1 + draw.normal(0, 0.3, 400) + draw.normal(0, errors)).tolist(), errors.tolist())
    none = spread((0.1 + draw.normal(0, errors)).tolist(), errors.tolist())
    assert wide is not None
    assert none is not None
    assert wide.tau == pytest.approx(0.3, abs=0.04)
    assert wide.mean == pytest.approx(0.1, abs=0.06)
    assert none.tau < 0.06
    assert none.i_squared < 0.3 < wide.i_squared
    assert none.q == pytest.approx(none.freedom, rel=0.25)


def test_the_published_example_of_heterogeneity() -> None:
    """Two studies, by hand: weights 1/v, Q = (y1 - y2)^2 / (v1 + v2), tau^2 = ((y1 - y2)^2 - v1 - v2) / 2."""
    found = spread([0.0, 1.0], [0.3, 0.4])
    assert found is not None
    assert found.q == pytest.approx(1 / 0.25)
    assert found.tau**2 == pytest.approx((1 - 0.25) / 2)
    assert found.i_squared == pytest.approx(0.75)


@given(st.floats(-4, 4), st.floats(0.01, 2), st.floats(-1, 1), st.floats(0, 1))
def test_shrinking_goes_towards_the_middle_and_not_past_it(
    estimate: float, error: float, mean: float, tau: float
) -> None:
    between = Spread(tau, 0.5, 1.0, 3, mean)
    drawn = shrunken(estimate, error, "stars", between)
    assert min(estimate, mean) - 1e-9 <= drawn <= max(estimate, mean) + 1e-9
    assert abs(shrunken(estimate, error, "stars", None)) <= abs(estimate)


def test_the_smallest_found_is_found_with_the_power_that_is_claimed() -> None:
    draw = np.random.default_rng(6)
    true = smallest_found(1 / math.sqrt(30), 30)
    found = reference.ttest_1samp(draw.normal(true, 1, (4000, 30)), 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_an_interval_for_any_time_leaves_out_zero_exactly_where_its_p_is_below_the_level() -> None:
    for listeners in (3, 12, 400):
        for error in (0.02, 0.1, 0.5):
            half = reach(error, listeners, "anytime", "stars")
            assert half > reach(error, listeners, "fixed", "stars")
            assert p_value(half, error, listeners, "anytime", "stars") == pytest.approx(0.05)


@pytest.mark.parametrize("listeners", [12, 50])
def test_who_watches_for_weeks_is_misled_by_fixed_intervals_and_not_by_those_for_any_time(listeners: int) -> None:
    """No difference; twelve looks while every listener goes from 1 to 12 ratings an arm and own effects differ."""
    draw = random.Random(7)
    runs = 300
    wrong = {"fixed": 0, "anytime": 0}
    for _ in range(runs):
        misled = {"fixed": False, "anytime": False}
        effects = [draw.gauss(0, 0.3) for _ in range(listeners)]
        totals, counts = [0.0] * listeners, [0] * listeners
        for _look in range(12):
            for who in range(listeners):
                totals[who] += draw.gauss(effects[who], 1.35)
                counts[who] += 1
            own = sums([total / count for total, count in zip(totals, counts, strict=True)])
            assert own.error is not None
            misled["fixed"] |= abs(own.estimate) > reach(own.error, listeners, "fixed", "stars")
            misled["anytime"] |= abs(own.estimate) > reach(own.error, listeners, "anytime", "stars")
        for kind, seen in misled.items():
            wrong[kind] += seen
    assert wrong["anytime"] / runs < 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert wrong["fixed"] / runs > 0.1
