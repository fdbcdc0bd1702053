"""The laws of a bucket."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.buckets import Charge, cost_of, shortage, taken

START = datetime(2026, 1, 1, tzinfo=UTC)
SLACK = 1e-6
capacities = st.integers(1, 10**6)
refills = st.integers(1, 86_400).map(lambda seconds: timedelta(seconds=seconds))
gaps = st.integers(0, 10**10).map(lambda us: timedelta(microseconds=us))


@given(capacities, refills, st.lists(st.tuples(gaps, st.floats(0, 1)), max_size=40))
def test_no_window_gives_more_than_the_capacity_and_what_came_back_in_it(
    capacity: int, refill: timedelta, asks: list[tuple[timedelta, float]]
) -> None:
    now, full_at, given_at = START, None, [(START, 0.0)]
    for gap, share in asks:
        now += gap
        amount = share * capacity
        after = taken(full_at, now, cost_of(amount, capacity, refill), refill)
        if after is not None:
            full_at = after
            given_at.append((now, amount))
    for first, (since, _) in enumerate(given_at):
        for last in range(first, len(given_at)):
            allowed = capacity * (1 + (given_at[last][0] - since) / refill)
            assert sum(amount for _, amount in given_at[first : last + 1]) <= allowed * (1 + SLACK) + SLACK


@given(refills, gaps, st.floats(0.001, 1))
def test_after_the_wait_it_is_given_and_not_a_moment_sooner(refill: timedelta, owed: timedelta, share: float) -> None:
    full_at = START + min(owed, refill)
    charge = Charge("listener:a", "events", cost_of(share, 1, refill))
    short = shortage(charge, full_at, START, refill)
    assert taken(full_at, START + short.wait, charge.cost, refill) is not None
    if short.wait:
        assert taken(full_at, START + short.wait - timedelta(microseconds=1), charge.cost, refill) is None
    assert 0 <= short.left <= 1


@given(capacities, refills)
def test_a_bucket_that_nobody_used_is_full(capacity: int, refill: timedelta) -> None:
    assert taken(None, START, cost_of(capacity, capacity, refill), refill) == START + refill
    assert taken(START - refill, START, cost_of(capacity, capacity, refill), refill) == START + refill


@pytest.mark.parametrize("amount", [-1, 11])
def test_what_no_bucket_can_ever_give_is_not_asked(amount: int) -> None:
    with pytest.raises(ValueError, match="not between 0 and the capacity 10"):
        cost_of(amount, 10, timedelta(seconds=1))
