"""Statistics against scipy, and the laws that make them safe to add up."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from services.rollout.stats import Ratings, clustered_interval, difference, shares_p, split_p
from services.student import t_isf, t_quantile, t_survival

STARS = st.lists(st.integers(1, 5), max_size=30)


@given(STARS, STARS, STARS)
def test_statistics_of_parts_add_up_to_those_of_the_whole(a: list[int], b: list[int], c: list[int]) -> None:
    assert Ratings.of(a) + Ratings.of(b) + Ratings.of(c) == Ratings.of([*c, *a, *b])
    assert Ratings.of(a) + Ratings() == Ratings.of(a)


@given(STARS.filter(bool), st.floats(1, 5))
def test_squares_about_any_centre_follow_from_the_sums(stars: list[int], centre: float) -> None:
    assert Ratings.of(stars).squares_about(centre) == pytest.approx(sum((s - centre) ** 2 for s in stars), abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 11, 29, 100, 1000, 30_000])
@pytest.mark.parametrize("probability", [0.001, 0.05, 0.5, 0.9, 0.975, 0.995, 0.999_999])
def test_t_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    expected = reference.t.ppf(probability, freedom)
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("freedom", [2, 11, 299])
@pytest.mark.parametrize("tail", [1e-18, 1e-11, 1e-4, 0.3, 0.7])
def test_quantiles_of_a_tail_are_those_of_scipy(freedom: int, tail: float) -> None:
    assert t_isf(tail, freedom) == pytest.approx(reference.t.isf(tail, freedom), rel=1e-8)


@given(st.floats(-30, 30), st.floats(0.5, 500))
def test_t_survival_is_that_of_scipy(value: float, freedom: float) -> None:
    assert t_survival(value, freedom) == pytest.approx(reference.t.sf(value, freedom), rel=1e-8, abs=1e-14)


def test_t_refuses_what_has_no_quantile() -> None:
    for probability in (0.0, 1.0):
        with pytest.raises(ValueError, match="probability"):
            t_quantile(probability, 5)
    with pytest.raises(ValueError, match="degrees"):
        t_quantile(0.9, 0)


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=40).filter(lambda v: max(v) - min(v) > 1e-3))
def test_the_interval_is_the_one_sample_t_interval(values: list[float]) -> None:
    interval = clustered_interval(values)
    assert interval is not None
    expected = reference.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)
    assert interval.listeners == len(values)


def test_one_listener_has_no_interval_and_an_unrated_arm_no_difference() -> None:
    assert clustered_interval([0.7]) is None
    assert clustered_interval([0.7, 0.7]) is None
    assert clustered_interval([11 / 3 - 8 / 3, 10 / 3 - 7 / 3, 1.0]) is None
    assert difference(Ratings(), Ratings.of([5])) is None
    assert difference(Ratings.of([2, 4]), Ratings.of([5])) == 2.0


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    draw = random.Random(3)
    covered = 0
    for _ in range(2000):
        effects = [draw.gauss(0.4, 0.6) for _ in range(12)]
        interval = clustered_interval(effects)
        assert interval is not None
        covered += interval.low <= 0.4 <= interval.high
    assert 0.935 < covered / 2000 < 0.965


@given(st.integers(0, 400), st.integers(0, 400))
def test_an_even_split_is_pearsons(one: int, other: int) -> None:
    expected = reference.chisquare([one, other]).pvalue if one + other else 1.0
    assert split_p(one, other) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(st.tuples(*[st.integers(1, 400)] * 4))
def test_two_shares_are_compared_by_pearsons_table(counts: tuple[int, int, int, int]) -> None:
    one, rest, other, more = counts
    table = [[one, rest], [other, more]]
    expected = reference.chi2_contingency(table, correction=False).pvalue
    assert shares_p(one, one + rest, other, other + more) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_nothing_splits_evenly() -> None:
    assert split_p(0, 0) == 1.0
    assert shares_p(0, 0, 3, 5) == 1.0
    assert shares_p(4, 4, 3, 3) == 1.0
