"""The latest progress of the tracks that are being made, and who waits for news. Kept in memory: the truth is in
Postgres, this only makes the wait lively."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from schemas.generation import Progress


@dataclass(slots=True)
class _Notice:
    number: int = 0
    progress: Progress = field(default_factory=lambda: Progress(stage="queued"))


class Following:
    """One follower's news of a track: nothing that is said after the first look is missed."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._finished = False

    def hear(self, *, finished: bool) -> None:
        self._finished = self._finished or finished
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Returns at the next news, or after some seconds; True if the track is to be looked up, since it may be
        finished."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        finished, self._finished = self._finished, False
        return finished


class Board:
    def __init__(self) -> None:
        self._notices: dict[UUID, _Notice] = {}
        self._followers: dict[UUID, list[Following]] = {}

    def post(self, track_id: UUID, progress: Progress) -> None:
        notice = self._notices.setdefault(track_id, _Notice())
        if notice.number and notice.progress == progress:
            return  # the engine says so again to show that it is there
        notice.number += 1
        notice.progress = progress
        self._tell(track_id, finished=False)

    def take_down(self, track_id: UUID) -> None:
        """The track is not made here any more."""
        if self._notices.pop(track_id, None) is not None:
            self.finished(track_id)

    def finished(self, track_id: UUID) -> None:
        """The track may be finished: those who follow it look into Postgres."""
        self._tell(track_id, finished=True)

    def latest(self, track_id: UUID) -> tuple[int, Progress] | None:
        notice = self._notices.get(track_id)
        return None if notice is None else (notice.number, notice.progress)

    @contextmanager
    def following(self, track_id: UUID) -> Iterator[Following]:
        """Within it, what is told of the track is heard."""
        follower = Following()
        self._followers.setdefault(track_id, []).append(follower)
        try:
            yield follower
        finally:
            self._followers[track_id].remove(follower)
            if not self._followers[track_id]:
                del self._followers[track_id]

    def followed(self) -> list[UUID]:
        """The tracks that somebody follows."""
        return list(self._followers)

    def _tell(self, track_id: UUID, *, finished: bool) -> None:
        for follower in self._followers.get(track_id, ()):
            follower.hear(finished=finished)
