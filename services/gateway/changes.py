"""Which parts of what operators look at have changed, and who waits for that."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from schemas.operating import PARTS, Part
from services.errors import BackendAway
from services.gateway.engine import EngineAway, EngineRefused

CHANNEL: Final = "gateway_changed"
_GATHER_S: Final = 0.3  # a deed is often several transactions, and a burst of them is asked for once


class Following:
    """What one follower has not been told yet."""

    def __init__(self) -> None:
        self._parts: set[Part] = set(PARTS)
        self._news = asyncio.Event()
        self._news.set()

    def hear(self, parts: Iterable[Part]) -> None:
        self._parts.update(parts)
        self._news.set()

    async def wait(self, seconds: float) -> list[Part]:
        """The parts that changed, at the next change; none if there is no change for so long. The first time: all."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        await asyncio.sleep(_GATHER_S)
        self._news.clear()
        parts, self._parts = self._parts, set()
        return sorted(parts)


class Changes:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._followers: set[Following] = set()

    @contextmanager
    def following(self) -> Iterator[Following]:
        """Within it, what changes is heard."""
        follower = Following()
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def tell(self, parts: Iterable[Part]) -> None:
        for follower in self._followers:
            follower.hear(parts)

    def hear(self, payload: str) -> None:
        """PostgreSQL names a part; one that a later version names is nothing to this one."""
        self.tell(part for part in PARTS if part == payload)

    async def look(self) -> None:
        self.tell(PARTS)

    async def watch(self, part: Part, every_s: float, ask: Callable[[], Awaitable[object]]) -> None:
        """Tells of a part that no row tells of, when what `ask` answers, or why it cannot, is another than before. It
        is asked while somebody follows, once for all of them. Runs until cancelled."""
        last: object = None
        while True:
            await asyncio.sleep(every_s)
            if not self._followers:
                continue
            try:
                now = await ask()
            except (BackendAway, EngineAway, EngineRefused) as error:
                now = str(error)
            if now != last:
                self.tell([part])
            last = now
