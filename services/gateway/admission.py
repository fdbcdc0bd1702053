"""Who is served now: a bounded number of places, and while others ask as well one of them for each principal.

The next place goes to who has been served least, by the time that their requests held places: start-time fair queueing
as in `line.py`, with costs that are known at a request's end. Who floods, that is has several requests under way all
the time, rests after each of them while somebody who does not is served (`resting.py`).
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Final

from services.errors import ServiceError
from services.gateway.line import Shares
from services.gateway.resting import Rests

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
        self._rests = Rests(now)
        self._rested: asyncio.TimerHandle | None = None

    async def place(self, owner: str, subject: Callable[[], Hashable] = lambda: None) -> "Place":
        """A place for one request of this principal, once it is their turn; `subject` says at its end whom it was for.

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
        return Place(self, owner, subject, self._now())

    async def _turn(self, owner: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._wake_rested()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._give_up(owner, turn)
            else:  # it came together with the place
                self._left(owner, None, 0.0)
            raise

    def _give_up(self, owner: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(owner, deque())
        if turn not in waiting:
            return  # it was passed over already
        waiting.remove(turn)
        if not waiting:
            del self._waiting[owner]

    def _may(self, owner: str) -> bool:
        if self._free == 0:
            return False
        return self._is_alone(owner) or not (self._held[owner] or self._rests_beside(owner))

    def _is_alone(self, owner: str) -> bool:
        return all(len(asking) == (owner in asking) for asking in (self._waiting, self._seen))

    def _rests_beside(self, owner: str) -> bool:
        """Whether they rest, and somebody asks who need not: floods do not rest for each other."""
        return self._rests.are_due(owner) and any(
            of != owner and not self._rests.are_due(of) for asking in (self._waiting, self._seen) for of in asking
        )

    def _see(self, owner: str) -> None:
        self._seen.pop(owner, None)
        self._seen[owner] = self._now()
        self._forget_silent()

    def _forget_silent(self) -> None:
        while self._seen and self._seen[oldest := next(iter(self._seen))] < self._now() - BESIDE_S:
            del self._seen[oldest]

    def _take(self, owner: str) -> None:
        self._free -= 1
        self._held[owner] += 1

    def _left(self, owner: str, subject: Hashable, seconds: float) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._shares.serve(owner, seconds)
        if owner in self._held or owner in self._waiting:
            self._rests.count(owner, subject, seconds)
        self._see(owner)
        self._give()

    def _give(self) -> None:
        self._forget_silent()
        while due := [of for of in self._waiting if self._may(of)]:
            first = min(due, key=self._shares.start)
            turn = self._waiting[first].popleft()
            if not self._waiting[first]:
                del self._waiting[first]
            if not turn.done():  # who was cancelled in this turn of the loop has not said so yet
                self._take(first)
                turn.set_result(None)
        self._wake_rested()

    def _wake_rested(self) -> None:
        """Places are given again when the first of those who wait has rested: while one is free, who holds none waits
        for nothing else, also if that time has come since it was asked about."""
        if self._rested is not None:
            self._rested.cancel()
            self._rested = None
        ends = [self._rests.until(of) for of in self._waiting if self._free and not self._held[of]]
        if ends:
            self._rested = asyncio.get_running_loop().call_later(min(ends) - self._now(), self._give)


class Place:
    """A place that is held, at most for `HELD_S`."""

    def __init__(self, admission: Admission, owner: str, subject: Callable[[], Hashable], since: float) -> None:
        self._admission = admission
        self._owner = owner
        self._subject = subject
        self._since = since
        self._holds = True
        self._latest = asyncio.get_running_loop().call_later(HELD_S, self.leave)

    def leave(self) -> None:
        """Gives the place to whose turn it is; a second time it does nothing."""
        if self._holds:
            self._holds = False
            self._latest.cancel()
            seconds = self._admission._now() - self._since  # noqa: SLF001 - of the same module
            self._admission._left(self._owner, self._subject(), seconds)  # noqa: SLF001 - likewise


def _too_many(most: int) -> ServiceError:
    return ServiceError(
        "too_many_at_once",
        "Too many requests of yours wait to be served.",
        status=429,
        field="Authorization",
        expected=f"at most {most} at the same time",
        retry_after=1,
    )
