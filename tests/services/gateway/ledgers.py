"""Buckets in memory, for tests of what uses them, and a clock that a test moves."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.gateway.buckets import Charge, Short, shortage, taken


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class MemoryLedger:
    """A `Ledger` of one process."""

    def __init__(self, now: Clock | None = None) -> None:
        self._now = now or Clock()
        self._full_at: dict[tuple[str, str], datetime] = {}

    async def take(self, charges: Sequence[Charge], refill: timedelta) -> Short | None:
        now = self._now()
        there = {charge: self._full_at.get((charge.owner, charge.budget)) for charge in charges}
        after = {charge: taken(full_at, now, charge.cost, refill) for charge, full_at in there.items()}
        if None in after.values():
            shorts = [shortage(charge, full_at, now, refill) for charge, full_at in there.items()]
            return max(shorts, key=lambda short: short.wait)
        self._full_at |= {(charge.owner, charge.budget): at for charge, at in after.items() if at is not None}
        return None

    async def drop_full(self) -> int:
        full = [key for key, at in self._full_at.items() if at <= self._now()]
        for key in full:
            del self._full_at[key]
        return len(full)
