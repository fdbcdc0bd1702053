"""How long who floods rests between requests, while somebody else is served: virtual scheduling (ITU-T I.371), as a
budget's, with the time that places were held as cost. Pure.

A principal who holds places for more than a `SLOWER`th of the time, beyond `BURST_S` at once, rests until they are back
at it. A service that is served for many listeners pays for each request the part that its listener had of the latest
ones: for one listener all of it, for a hundred of them hardly anything.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

BURST_S: Final = 0.5
"""So much at once costs no rest: a page that opens asks several things at once, and is no flood."""
SLOWER: Final = 40.0
"""A flood is served for one second in so many."""
MOST_S: Final = 1.0
"""No rest is longer, so that whoever floods is served as well."""
WORK_S: Final = 0.1
"""A request counts as no more: what takes longer waits for something else."""
LATEST: Final = 64
"""Requests of a service by which it is told how much of it one listener is."""

_CREDIT_S: Final = BURST_S * SLOWER


class Rests:
    """What each principal used while several requests of theirs were under way, as the time when that is forgotten."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._whole_at: dict[str, float] = {}
        self._latest: dict[str, deque[Hashable]] = {}

    def count(self, owner: str, subject: Hashable, seconds: float) -> None:
        """A request for `subject` held a place for `seconds` beside another of the same principal."""
        now = self._now()
        self._forget(now)
        latest = self._latest.setdefault(owner, deque(maxlen=LATEST))
        latest.append(subject)
        part = latest.count(subject) / len(latest)
        cost = SLOWER * part * min(seconds, WORK_S)
        whole_at = max(now, self._whole_at.get(owner, now)) + cost
        self._whole_at[owner] = min(whole_at, now + _CREDIT_S + MOST_S)

    def until(self, owner: str) -> float:
        """When the principal has rested; a time that has passed: they need none."""
        return self._whole_at.get(owner, 0.0) - _CREDIT_S

    def are_due(self, owner: str) -> bool:
        """Whether the principal has still to rest."""
        return self.until(owner) > self._now()

    def _forget(self, now: float) -> None:
        for owner in [of for of, at in self._whole_at.items() if at <= now]:
            del self._whole_at[owner], self._latest[owner]
