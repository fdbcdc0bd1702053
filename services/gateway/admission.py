"""Who is served now: a bounded number of places, and while others ask as well one of them for each principal.

The next place goes to who has been served least, by the time that their requests held places: start-time fair queueing
as in `line.py`, with costs that are known at a request's end.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from services.errors import ServiceError
from services.gateway.line import Shares

PLACES: Final = 8
"""As many as there are connections for what is asked: whoever has a place waits for no connection."""
MOST_WAITING: Final = 64
"""Requests of one principal that wait for a place; one more is refused at once."""
BESIDE_S: Final = 1.0
"""So long after their last request somebody still counts as asking."""
HELD_S: Final = 1.0
"""So long a request holds its place at most; what takes longer waits for something else than its turn here."""


class Admission:
    """For one event loop."""

    def __init__(
        self,
        places: int = PLACES,
        most_waiting: int = MOST_WAITING,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = places
        self._most_waiting = most_waiting
        self._now = now
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seen: dict[str, float] = {}  # the latest last
        self._shares: Shares[str] = Shares()

    async def place(self, owner: str) -> "Place":
        """A place for one request of this principal, once it is their turn.

        Raises:
            ServiceError: 429 `too_many_at_once`: too many of theirs wait already.
        """
        waiting = self._waiting.get(owner, ())
        if len(waiting) >= self._most_waiting:
            raise _too_many(self._most_waiting)
        self._see(owner)
        if waiting or not self._may(owner):
            await self._turn(owner)
        else:
            self._take(owner)
        return Place(self, owner, self._now())

    async def _turn(self, owner: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._give_up(owner, turn)
            else:  # it came together with the place
                self._left(owner, 0.0)
            raise

    def _give_up(self, owner: str, turn: asyncio.Future[None]) -> None:
        self._waiting[owner].remove(turn)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _may(self, owner: str) -> bool:
        return self._free > 0 and (not self._held[owner] or self._is_alone(owner))

    def _is_alone(self, owner: str) -> bool:
        return all(len(asking) == (owner in asking) for asking in (self._waiting, self._seen))

    def _see(self, owner: str) -> None:
        self._seen.pop(owner, None)
        self._seen[owner] = self._now()
        while self._seen[oldest := next(iter(self._seen))] < self._now() - BESIDE_S:
            del self._seen[oldest]

    def _take(self, owner: str) -> None:
        self._free -= 1
        self._held[owner] += 1

    def _left(self, owner: str, seconds: float) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._shares.serve(owner, seconds)
        self._see(owner)
        while due := [of for of in self._waiting if self._may(of)]:
            first = min(due, key=self._shares.start)
            self._take(first)
            turn = self._waiting[first].popleft()
            if not self._waiting[first]:
                del self._waiting[first]
            turn.set_result(None)


class Place:
    """A place that is held, at most for `HELD_S`."""

    def __init__(self, admission: Admission, owner: str, since: float) -> None:
        self._admission = admission
        self._owner = owner
        self._since = since
        self._holds = True
        self._latest = asyncio.get_running_loop().call_later(HELD_S, self.leave)

    def leave(self) -> None:
        """Gives the place to whose turn it is; a second time it does nothing."""
        if self._holds:
            self._holds = False
            self._latest.cancel()
            self._admission._left(self._owner, self._admission._now() - self._since)  # noqa: SLF001 - of the same module


def _too_many(most: int) -> ServiceError:
    return ServiceError(
        "too_many_at_once",
        "Too many requests of yours wait to be served.",
        status=429,
        field="Authorization",
        expected=f"at most {most} at the same time",
        retry_after=1,
    )
