"""When an event happened, by our own clock. Pure.

A device's clock is its own affair: it may be fast, slow, or not set at all. What a device says of itself is believed as
far as it can be true, so that a wrong clock neither loses an event nor puts it before or after the others'.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of servers may be apart, and an honest device's from them."""


class Implausible(Exception):
    """No event of a listener can have that time."""

    def __init__(self, code: str, message: str, expected: str) -> None:
        super().__init__(message)
        self.code, self.expected = code, expected


def corrected(
    stated: datetime, sent: datetime | None, *, received: datetime, since: datetime, max_age: timedelta
) -> datetime:
    """The time of an event, in UTC, never after `received` and not before `since` by more than `SKEW`.

    Args:
        stated: the event's time, by the device's clock.
        sent: what that clock said when it sent the event, if it told: the difference to `received` is its error (and
            the time under way). Segment corrects timestamps in the same way.
        received: when the gateway got it.
        since: when that came to be which the event speaks of.
        max_age: events further than this from `received` are refused.

    Raises:
        Implausible: it is too long ago, or too far ahead.
    """
    try:
        moment = (stated if sent is None else stated + (received - sent)).astimezone(UTC)
    except OverflowError:
        moment = datetime.min.replace(tzinfo=UTC) if stated < received else datetime.max.replace(tzinfo=UTC)
    if moment < received - max_age:
        expected = f"a time after {received - max_age:%Y-%m-%d}, or sentat: the device's own time when it sends"
        raise Implausible("too_old", "The event lies too far back.", expected)
    if moment > received + max_age:
        expected = f"a time until {received:%Y-%m-%dT%H:%M:%SZ}, or sentat: the device's own time when it sends"
        raise Implausible("in_the_future", "The event has not happened yet.", expected)
    # Where the clock is proven wrong, the arrival is the best that is known.
    return moment if since - SKEW <= moment <= received else received
