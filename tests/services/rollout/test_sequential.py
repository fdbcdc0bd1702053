"""Boundaries against published values, and errors that stay within what was allowed however often one looks."""

import random
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.rollout.sequential import Signed, anytime_p, nominal_levels, spent


def bounds(fractions: list[float], alpha: float) -> list[float]:
    levels = nominal_levels(fractions, [spent(fraction, alpha) for fraction in fractions])
    return [NormalDist().inv_cdf(1 - level) for level in levels]


def test_five_equal_looks_have_the_published_boundaries() -> None:
    # Lan-DeMets O'Brien-Fleming-type, one-sided 0.025: Jennison and Turnbull (2000), and every package since.
    assert bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.025) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=2e-3)


def test_two_looks_at_five_percent() -> None:
    assert bounds([0.5, 1.0], 0.05) == pytest.approx([2.538, 1.662], abs=2e-3)


def test_a_single_look_spends_all_of_it() -> None:
    assert nominal_levels([37.0], [0.05]) == pytest.approx([0.05], abs=1e-9)


@example([0.109375, 0.115234375, 1.0])
@given(st.lists(st.floats(0.05, 1), min_size=1, max_size=3, unique=True).map(sorted))
def test_no_look_gets_more_than_the_whole_and_all_spend_no_more(fractions: list[float]) -> None:
    if any(b < a * 1.02 for a, b in pairwise(fractions)):
        return
    spending = [spent(fraction, 0.05) for fraction in fractions]
    levels = nominal_levels(fractions, spending)
    assert all(0 <= level <= total + 1e-9 for level, total in zip(levels, spending, strict=True))
    assert sum(levels) >= spending[-1] - 1e-6  # Bonferroni could not be sharper


def test_crossing_any_boundary_has_the_chance_that_was_spent() -> None:
    fractions, draw = [0.3, 0.7, 1.0], random.Random(5)
    z = bounds(fractions, 0.05)
    crossed = 0
    for _ in range(20_000):
        sums, before = 0.0, 0.0
        for fraction, bound in zip(fractions, z, strict=True):
            sums += draw.gauss(0, (fraction - before) ** 0.5)
            before = fraction
            if sums / fraction**0.5 > bound:
                crossed += 1
                break
    assert crossed / 20_000 == pytest.approx(0.05, abs=0.005)


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="grow"):
        nominal_levels([0.5, 0.5], [0.01, 0.05])
    with pytest.raises(ValueError, match="shrink"):
        nominal_levels([0.5, 1.0], [0.05, 0.01])
    with pytest.raises(ValueError, match="positive"):
        anytime_p(Signed(), 0)


def test_the_mixture_is_the_integral_that_it_claims_to_be() -> None:
    signed, expected = Signed(9.0, 30.0), 40.0
    odds = 4.605170185988092
    rho = expected / (odds + 1.7236993)
    step, total = 1e-4, 0.0
    for index in range(100_000):
        b = (index + 0.5) * step
        weight = 2 * NormalDist(0, rho**-0.5).pdf(b)
        total += step * weight * 2.718281828459045 ** (b * signed.total - b * b * signed.squares / 2)
    assert anytime_p(signed, expected) == pytest.approx(1 / total, rel=1e-4)


@given(st.floats(-1e4, 1e4), st.floats(0, 1e4))
def test_p_values_lie_in_the_unit_interval(total: float, squares: float) -> None:
    assert 0 <= anytime_p(Signed(total, squares), 40.0) <= 1


def test_looking_after_every_observation_keeps_the_error() -> None:
    """Sizes differ wildly and come in runs, as a listener's ratings do; only the sign is a fair coin."""
    draw, alarms = random.Random(11), 0
    for _ in range(1500):
        signed = Signed()
        for index in range(150):
            size = 0.2 if index % 40 < 20 else 2.0
            signed += Signed(draw.choice((-size, size)), size * size)
            if anytime_p(signed, 100.0) <= 0.05:
                alarms += 1
                break
    assert alarms / 1500 <= 0.05 + 0.006


def test_a_clear_tendency_is_found() -> None:
    signed = Signed()
    for _ in range(60):
        signed += Signed(0.75, 1.5)
    assert anytime_p(signed, 72.0) < 0.001
