"""The latest progress of the tracks that are being made, and who waits for news. Kept in memory: the truth is in
Postgres, this only makes the wait lively."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from schemas.generation import Progress


@dataclass(slots=True)
class _Notice:
    number: int = 0
    progress: Progress = field(default_factory=lambda: Progress(stage="queued"))
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Board:
    def __init__(self) -> None:
        self._notices: dict[UUID, _Notice] = {}
        self._arrival = asyncio.Event()

    def post(self, track_id: UUID, progress: Progress) -> None:
        if track_id not in self._notices:
            self._notices[track_id] = _Notice()
            self._arrival.set()
            self._arrival = asyncio.Event()
        notice = self._notices[track_id]
        if notice.number and notice.progress == progress:
            return  # the engine says so again to show that it is there
        notice.number += 1
        notice.progress = progress
        self._wake(notice)

    def take_down(self, track_id: UUID) -> None:
        """The track is finished; those who wait look into Postgres."""
        notice = self._notices.pop(track_id, None)
        if notice is not None:
            self._wake(notice)

    def latest(self, track_id: UUID) -> tuple[int, Progress] | None:
        notice = self._notices.get(track_id)
        return None if notice is None else (notice.number, notice.progress)

    async def wait(self, track_id: UUID, seen: int, seconds: float) -> None:
        """Returns when there is something newer than number `seen`, or after some seconds."""
        notice = self._notices.get(track_id)
        if notice is not None and notice.number != seen:
            return
        try:
            async with asyncio.timeout(seconds):
                if notice is not None:
                    await notice.news.wait()
                while notice is None and track_id not in self._notices:
                    await self._arrival.wait()
        except TimeoutError:
            return

    def _wake(self, notice: _Notice) -> None:
        notice.news.set()
        notice.news = asyncio.Event()
