"""Pure: the month of an event, by the time in its own id, which is what the table of events is divided by."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final
from uuid import UUID

FIRST: Final = date(2024, 1, 1)
"""Ids of earlier times, or of later ones than next month, are somebody's mistake: they share one partition."""


def month_of(event_id: UUID) -> date | None:
    """The first day of the UTC month that a UUID of version 7 was made in; None where no month can be told."""
    return _month(_day(event_id))


def months_of(event_ids: Iterable[UUID]) -> set[date]:
    """Those that these were made in."""
    return {month for day in set(map(_day, event_ids)) if (month := _month(day))}


def _day(event_id: UUID) -> int:
    """Days since 1970: the first 48 bits are milliseconds."""
    return (event_id.int >> 80) // 86_400_000


def _month(day: int) -> date | None:
    try:
        return (date(1970, 1, 1) + timedelta(days=day)).replace(day=1)
    except OverflowError:
        return None


def usual(month: date, today: date) -> bool:
    """Whether a month has a partition of its own."""
    return FIRST <= month <= next_month(today.replace(day=1))


def next_month(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)
