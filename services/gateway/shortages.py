"""What is known to be spent: asked for it again so soon, a gateway refuses without asking PostgreSQL. Pure.

It refuses nobody whom the buckets would not: who takes meanwhile only makes the wait longer.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from services.gateway.buckets import Charge, Short

FOR: Final = timedelta(seconds=1)
"""So long at most: buckets may be made whole by others, and `Retry-After` says no less."""


class Shortages:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[tuple[str, str], tuple[datetime, Short]] = {}

    def note(self, short: Short) -> None:
        now = self._now()
        self._known = {key: (at, known) for key, (at, known) in self._known.items() if now - at < FOR}
        self._known[short.charge.owner, short.charge.budget] = now, short

    def of(self, charges: Sequence[Charge], refill: timedelta) -> Short | None:
        """Of these charges the one with the longest wait that is known; None: they must be asked for."""
        shorts = [short for charge in charges if (short := self._one(charge, refill)) is not None]
        return max(shorts, key=lambda short: short.wait, default=None)

    def _one(self, charge: Charge, refill: timedelta) -> Short | None:
        known = self._known.get((charge.owner, charge.budget))
        if known is None:
            return None
        at, short = known
        passed = self._now() - at
        wait = short.wait - passed + charge.cost - short.charge.cost
        if passed >= FOR or wait <= timedelta():
            return None
        return Short(charge, min(1.0, short.left + passed / refill), wait)
