"""The batch cap follows the curve, and measuring it ends in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.params import Limits
from serving.engine.profile import COUNTS, LEAST, UNMEASURED, WORTH, Point, choose, measure
from tests.serving.engine.parts import RANK, engine, job, result


def curve(seconds_of: dict[int, float]) -> list[Point]:
    return [Point(rows, seconds) for rows, seconds in seconds_of.items()]


def test_rows_that_cost_nothing_are_all_taken() -> None:
    assert choose(curve(dict.fromkeys(COUNTS, 1.0))) == COUNTS[-1]


def test_rows_that_cost_in_proportion_are_not() -> None:
    assert choose(curve({rows: float(rows) for rows in COUNTS})) == LEAST


def test_the_cap_lies_where_a_row_brings_less_than_the_bound() -> None:
    # Flat to 8 rows, then in proportion.
    assert choose(curve({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0, 16: 2.0, 32: 4.0})) == 8
    just, not_quite = 8 / (1 + 4 * WORTH * 1.001), 8 / (1 + 4 * WORTH * 0.999)
    assert choose(curve({4: 4.0, 8: just})) == 8
    assert choose(curve({4: 4.0, 8: not_quite})) == 4


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=len(COUNTS)))
def test_any_curve_gives_a_count_it_holds(seconds: list[float]) -> None:
    points = [Point(rows, time) for rows, time in zip(COUNTS, seconds, strict=False)]
    assert choose(points) in {LEAST, UNMEASURED, *(point.rows for point in points)}


def test_a_curve_that_ends_while_rows_pay_says_nothing_against_more() -> None:
    assert choose(curve({1: 0.4, 2: 0.6})) == UNMEASURED
    assert choose(curve({1: 0.4, 2: 0.6, 4: 1.3})) == LEAST
    assert choose(curve({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0, 16: 1.0})) == 16


def test_a_reading_that_was_disturbed_does_not_hide_those_after_it() -> None:
    assert choose(curve({1: 1.0, 2: 1.0, 4: 9.0, 8: 1.0, 16: 2.0})) == 8


def test_no_curve_is_an_error() -> None:
    with pytest.raises(ValueError, match="point"):
        choose([])


@given(st.floats(1e-3, 10), st.floats(0, 1))
def test_measuring_keeps_its_budget_but_for_the_first_two(fixed: float, a_row: float) -> None:
    now = 0.0

    def step(rows: int) -> None:
        nonlocal now
        now += fixed + a_row * rows

    points = measure(step, budget_s=1.5, clock=lambda: now)
    assert [point.rows for point in points] == list(COUNTS[: len(points)])
    assert all(point.seconds == pytest.approx(fixed + a_row * point.rows) for point in points)
    assert len(points) == 2 or now <= 1.5
    assert len(points) >= 2


def test_what_the_first_of_a_size_costs_is_not_timed() -> None:
    now, seen = 0.0, set[int]()

    def step(rows: int) -> None:
        nonlocal now
        now += 0.01 if rows in seen else 0.1
        seen.add(rows)

    points = measure(step, budget_s=10, clock=lambda: now, first_is_slow=True)
    assert [point.rows for point in points] == list(COUNTS)
    assert all(point.seconds == pytest.approx(0.01) for point in points)


def test_an_engine_without_a_number_of_rows_measures_its_own() -> None:
    made = engine(Limits(rows=0, queue=8, slots=4, rank=RANK))
    made.start()
    state = made.state()
    assert state.cap == choose(state.curve) >= LEAST
    assert [point.rows for point in state.curve] == list(COUNTS[: len(state.curve)])
    assert result(made, job(1)).isfinite().all()
    made.stop(drain_s=0)


def test_an_engine_with_a_number_takes_it() -> None:
    made = engine(Limits(rows=6, queue=8, slots=4, rank=RANK))
    assert (made.state().cap, made.state().curve) == (6, ())
