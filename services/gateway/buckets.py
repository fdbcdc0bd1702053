"""Token buckets as one time each. Pure.

A bucket that refills from empty within `refill` is known by when it will be full again: taking a cost moves that time
on, and it never lies further ahead than `refill`. This is the virtual scheduling of the generic cell rate algorithm
(ITU-T I.371, annex A), which allows what a token bucket allows. Costs are times too: the part of the capacity that is
taken, times `refill`, rounded up to a microsecond.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Charge:
    """What one owner's bucket is to give."""

    owner: str
    budget: str
    cost: timedelta


@dataclass(frozen=True, slots=True)
class Short:
    """A charge that its bucket cannot give yet.

    Attributes:
        left: the part of the capacity that is there, 0 to 1.
        wait: until the charge can be given, if nobody else takes meanwhile.
    """

    charge: Charge
    left: float
    wait: timedelta


def cost_of(amount: float, capacity: float, refill: timedelta) -> timedelta:
    """The time in which `amount` comes back.

    Raises:
        ValueError: no bucket of that capacity can ever give it, or it is negative.
    """
    if not 0 <= amount <= capacity:
        raise ValueError(f"{amount:g} is not between 0 and the capacity {capacity:g}")
    return min(refill, math.ceil(refill / MICROSECOND * (amount / capacity)) * MICROSECOND)


def taken(full_at: datetime | None, now: datetime, cost: timedelta, refill: timedelta) -> datetime | None:
    """When the bucket will be full after the cost is taken; None if it holds too little. A bucket without a time is
    full."""
    after = max(full_at or now, now) + cost
    return after if after <= now + refill else None


def shortage(charge: Charge, full_at: datetime | None, now: datetime, refill: timedelta) -> Short:
    """What is left, and how long to wait for the charge."""
    owed = max((full_at or now) - now, timedelta())
    return Short(charge, max(0.0, 1 - owed / refill), max(owed + charge.cost - refill, timedelta()))
