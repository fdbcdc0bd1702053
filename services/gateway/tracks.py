"""The background work that makes tracks: every open row in Postgres is asked of the engine until it is ready or failed.

Nothing is kept in memory that a restart would miss: a killed process finds its open rows again, and the event of a
finished track has an id derived from the track, so that saying it twice counts once.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

import structlog

from schemas.base import Problem
from schemas.events import TrackFailed, TrackFailedEvent, TrackMade, TrackMadeEvent
from schemas.generation import GenerationRequest, Progress, TrackFacts
from services.errors import BackendAway
from services.gateway import metrics
from services.gateway.board import Board
from services.gateway.claims import Claims
from services.gateway.engine import Engine, EngineAway, EngineRefused
from services.gateway.line import Line
from services.gateway.log_keys import LogKeys
from services.gateway.outbox import Outbox, outgoing
from services.gateway.store import Store, TrackRow
from services.identifiers import derived_uuid7
from services.tasks import end

log = structlog.get_logger()

T = TypeVar("T")
SOURCE: Final = "encore/gateway"
_LOOK_S: Final = 2.0
_LOOKED_AT: Final = 256  # open rows at a look: each service's next, and more than another gateway has in hand


class TrackMaker:
    """Runs within the gateway's event loop; `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        claims: Claims,
        engine: Engine,
        log_keys: LogKeys,
        outbox: Outbox,
        board: Board,
        *,
        width: int,
        patience: float,
    ) -> None:
        self._store, self._claims, self._engine, self._board = store, claims, engine, board
        self._log_keys, self._outbox = log_keys, outbox
        self._width, self._patience = width, patience
        self._line: Line[TrackRow] = Line()
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._asking: set[UUID] = set()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There may be a new row."""
        self._news.set()

    def cancel(self, track_id: UUID) -> None:
        """Stops asking, if it is asked for here; its row says already that it is cancelled."""
        task = self._tasks.get(track_id)
        if task is not None:
            task.cancel()

    async def run(self) -> None:
        try:
            while True:
                self._news.clear()
                try:
                    await self._take_open()
                except BackendAway as error:
                    log.warning("backend_away", backend=error.backend, reason=error.message)
                await _until(self._news, _LOOK_S)
        finally:
            await end(self._tasks.values())

    async def _take_open(self) -> None:
        if len(self._asking) >= self._width:
            return
        for row, count in self._line.in_turn(await self._store.open_tracks(self._tasks, _LOOKED_AT)):
            track_id = row.track.track_id
            if await self._claims.take(track_id):
                count()
                self._asking.add(track_id)
                self._tasks[track_id] = asyncio.create_task(self._make(row))
            if len(self._asking) >= self._width:
                break
        metrics.TRACKS_OPEN.set(len(self._tasks))

    async def _make(self, row: TrackRow) -> None:
        track_id = row.track.track_id
        try:
            self._board.post(track_id, Progress(stage="queued"))
            # Another gateway may have finished it between the look and the claim.
            if await _insisting(lambda: self._store.mark_running(track_id)):
                await self._ask_and_tell(row)
        except Exception:
            log.exception("track_abandoned", track_id=str(track_id))
            await asyncio.sleep(_LOOK_S)  # the row is still open and is taken again
        finally:
            self._asking.discard(track_id)
            self._tasks.pop(track_id, None)
            self._board.take_down(track_id)
            await self._claims.release(track_id)
            metrics.TRACKS_OPEN.set(len(self._tasks))
            self.wake()

    async def _ask_and_tell(self, row: TrackRow) -> None:
        try:
            facts = await self._ask_patiently(row)
        except EngineRefused as refusal:
            await self._tell_failed(row, refusal.problem)
        except EngineAway as away:
            await self._tell_failed(row, away.problem)
        else:
            await self._tell_ready(row, facts)

    async def _ask_patiently(self, row: TrackRow) -> TrackFacts:
        pauses = backoff(0.5, 5.0)
        give_up_at: float | None = None
        known = await _insisting(lambda: self._store.known_songs(row.track.listener_id))
        request = row.request.model_copy(update={"known": known})
        while True:
            try:
                return await self._ask(request)
            except EngineAway as error:
                give_up_at = give_up_at or time.monotonic() + self._patience
                if time.monotonic() >= give_up_at:
                    raise
                metrics.ENGINE_RETRIES.inc()
                log.warning("engine_away", track_id=str(row.track.track_id), error=str(error))
                self._board.post(row.track.track_id, Progress(stage="queued"))
                await asyncio.sleep(max(next(pauses), error.retry_after_s * random.uniform(1, 1.5)))

    async def _ask(self, request: GenerationRequest) -> TrackFacts:
        async with aclosing(self._engine.make_track(request)) as answer:
            async for news in answer:
                if isinstance(news, TrackFacts):
                    return news
                self._board.post(request.track_id, news)
        raise EngineAway("the answer broke off")

    async def _tell_ready(self, row: TrackRow, facts: TrackFacts) -> None:
        self._leave_engine(row)
        await self._tell(made_event(row, facts))
        await _insisting(lambda: self._store.mark_ready(row.track.track_id, facts))
        self._count("ready", row)
        metrics.TRACK_SECONDS.observe((datetime.now(UTC) - row.track.created_at).total_seconds())

    async def _tell_failed(self, row: TrackRow, problem: Problem) -> None:
        self._leave_engine(row)
        await self._tell(failed_event(row, problem))
        await _insisting(lambda: self._store.mark_failed(row.track.track_id, problem))
        self._count("failed", row)

    async def _tell(self, event: TrackMadeEvent | TrackFailedEvent) -> None:
        sealed = await _insisting(lambda: self._log_keys.sealed([outgoing(event)]))
        await _insisting(lambda: self._outbox.tell(sealed))

    def _leave_engine(self, row: TrackRow) -> None:
        self._asking.discard(row.track.track_id)
        self.wake()

    def _count(self, outcome: str, row: TrackRow) -> None:
        metrics.TRACKS.labels(outcome, row.request.arm).inc()
        ids = {"track_id": str(row.track.track_id), "listener_id": str(row.track.listener_id)}
        log.info(f"track_{outcome}", arm=row.request.arm, **ids)


def made_event(row: TrackRow, facts: TrackFacts) -> TrackMadeEvent:
    """Its id depends on the track alone."""
    adapter = row.request.adapter
    return TrackMadeEvent(
        id=derived_uuid7(row.track.created_at, f"made {row.track.track_id}"),
        source=SOURCE,
        subject=row.track.listener_id,
        time=datetime.now(UTC),
        data=TrackMade(
            track_id=row.track.track_id,
            arm=row.request.arm,
            propensity=row.propensity,
            release_id=row.release_id,
            model_version=None if adapter is None else adapter.model_version,
            pair_id=row.track.pair_id,
            four_id=row.track.four_id,
            prompt=row.track.prompt,
            seconds=facts.seconds,
            features_url=facts.features_url,
            sha256=facts.sha256,
        ),
    )


def failed_event(row: TrackRow, problem: Problem) -> TrackFailedEvent:
    """Its id depends on the track alone."""
    return TrackFailedEvent(
        id=derived_uuid7(row.track.created_at, f"failed {row.track.track_id}"),
        source=SOURCE,
        subject=row.track.listener_id,
        time=datetime.now(UTC),
        data=TrackFailed(
            track_id=row.track.track_id,
            arm=row.request.arm,
            release_id=row.release_id,
            four_id=row.track.four_id,
            code=problem.code,
        ),
    )


def backoff(first: float, most: float) -> Iterator[float]:
    """Doubling pauses in seconds, each shortened by up to a half at random so that clients do not march in step."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(most, pause * 2)


async def _insisting(act: Callable[[], Awaitable[T]]) -> T:
    pauses = backoff(0.5, 10.0)
    while True:
        try:
            return await act()
        except BackendAway as error:
            log.warning("waiting_for_backend", backend=error.backend, reason=error.message)
            await asyncio.sleep(next(pauses))


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):  # unlike wait_for, it never drops a cancellation
            await event.wait()
    except TimeoutError:
        return
