"""The corrected time: whatever a device's clock says, an event lies between what it speaks of and its arrival."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.clocks import SKEW, Implausible, corrected

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MADE = NOW - timedelta(minutes=10)
AGE = timedelta(days=400)
MINUTE = timedelta(minutes=1)

zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
any_time = st.datetimes(timezones=zones)
seconds = st.floats(0, 500, allow_nan=False).map(lambda value: timedelta(seconds=value))


def happened(stated: datetime, sent: datetime | None = None) -> datetime:
    return corrected(stated, sent, received=NOW, since=MADE, max_age=AGE)


@given(any_time, st.none() | any_time)
def test_it_is_bounded_or_refused_by_name(stated: datetime, sent: datetime | None) -> None:
    with suppress(Implausible):
        moment = happened(stated, sent)
        assert MADE - SKEW <= moment <= NOW
        assert moment.tzinfo is UTC


@given(st.timedeltas(timedelta(days=-9000), timedelta(days=9000)), seconds, seconds)
def test_a_clock_that_is_told_of_counts_as_a_right_one(error: timedelta, one: timedelta, other: timedelta) -> None:
    """Two events of the ten minutes since the track, told by a clock that is off by any amount."""
    for before in (one, other):
        assert happened(NOW - before + error, NOW + error) == NOW - before


@pytest.mark.parametrize("error", [-timedelta(days=300), -timedelta(hours=1), MINUTE, timedelta(minutes=6)])
def test_a_clock_that_is_proven_wrong_gives_way_to_the_arrival(error: timedelta) -> None:
    assert happened(NOW + error) == NOW


def test_a_clock_that_may_be_right_is_believed() -> None:
    assert happened(NOW - 9 * MINUTE) == NOW - 9 * MINUTE
    assert happened(MADE - 4 * MINUTE) == MADE - 4 * MINUTE


def test_an_event_that_was_kept_while_offline_happened_when_it_did() -> None:
    received = NOW + timedelta(days=3)
    late = corrected(NOW, received, received=received, since=MADE, max_age=AGE)
    assert late == NOW
