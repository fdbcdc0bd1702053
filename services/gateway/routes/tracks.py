"""Tracks: asked for, followed, heard, cancelled. Which arm a track is made with is drawn here and never told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from schemas.api import FourCreate, Track, TrackCreate, TrackProgress
from schemas.base import Problem
from schemas.generation import Progress
from services.errors import BackendAway, ServiceError
from services.gateway.absent import unknown_listener
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.budgets import Stream
from services.gateway.parts import At, By, Parts
from services.gateway.routes.listeners import require_listener
from services.gateway.store import Planning, TrackRow
from services.gateway.wishes import drawn, make
from services.principals.principal import Principal

router = APIRouter(prefix="/v1", tags=["tracks"])

_SHOWN: Final = ("queued", "denoising", "decoding")
# One event of the stream; `data` is a Progress, at the end the Track.
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["queued", "denoising", "decoding", "ready", "failed"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
    },
}
_EXAMPLE: Final = {
    "fiddle": {
        "value": {
            "listener_id": "019a0000-0000-7000-8000-000000000000",
            "prompt": "a lively reel with fiddle",
            "seconds": 10,
            "seed": 7,
        }
    }
}


@router.post("/tracks", dependencies=needs("listen"), status_code=202)
async def create_track(
    body: Annotated[TrackCreate, Body(openapi_examples=_EXAMPLE)], parts: At, by: By, response: Response
) -> Track:
    """Asks for a track; it is made in the background. `Location` is where its state is read.

    While a new version is tried, some wishes are made twice. Then the track has a `pair_id`, and `/v1/pairs/{pair_id}`
    has both in the order in which they are to be offered: let the listener hear this one, offer the other as another
    take, and ask for stars and a vote. `twin: false` in the wish prevents it.
    """
    async with wishing(parts, by, body, 1) as (planning, free):
        own = await planning.taste()
        track, *_ = await make(planning, parts, body, own, await drawn(planning, parts, body, own, twice=free > 1))
    response.headers["Location"] = f"/v1/tracks/{track.track_id}"
    return track


@router.get("/tracks/{track_id}", dependencies=needs("listen"))
async def get_track(track_id: UUID, parts: At) -> Track:
    """The track; while it is made with its place in the queue, its step and the time to go."""
    return _with_progress(parts, (await require_track(parts, track_id)).track)


@router.get("/listeners/{listener_id}/tracks", dependencies=needs("listen"))
async def list_tracks(
    listener_id: UUID,
    parts: At,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[UUID | None, Query(description="only tracks older than this one")] = None,
) -> list[Track]:
    """The listener's tracks, newest first; `before` = the last one gives the next page."""
    await require_listener(parts, listener_id)
    return [_with_progress(parts, track) for track in await parts.store.tracks(listener_id, limit, before)]


@router.delete("/tracks/{track_id}", dependencies=needs("listen"))
async def cancel_track(track_id: UUID, parts: At) -> Track:
    """Stops a track that is not finished; it then counts as failed with the code `cancelled`."""
    await require_track(parts, track_id)
    cancelled = await parts.store.mark_failed(track_id, Problem(code="cancelled", message="The track was cancelled."))
    parts.maker.cancel(track_id)
    track = (await require_track(parts, track_id)).track
    if not cancelled and (track.problem is None or track.problem.code != "cancelled"):
        raise ServiceError(
            "already_finished",
            "The track is finished.",
            status=409,
            field="track_id",
            expected="a track that is not finished",
        )
    return track


@router.get(
    "/tracks/{track_id}/events",
    dependencies=needs("listen"),
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def follow_track(track_id: UUID, parts: At, by: By) -> EventSourceResponse:
    """Server-sent events: `queued`, `denoising`, `decoding` with the engine's progress, at last `ready` or `failed`
    with the track. It ends sooner when the budget for streams is spent. A client that reconnects is told the
    present state first, whatever its `Last-Event-ID`."""
    track = (await require_track(parts, track_id)).track
    stream = await parts.budgets.stream(by, track.listener_id)
    return EventSourceResponse(_news(parts, track_id, stream), ping=15)


async def _news(parts: Parts, track_id: UUID, stream: Stream) -> AsyncIterator[ServerSentEvent]:
    """Asks Postgres at the beginning, and when the track may be finished."""
    seen, look = 0, True
    yield ServerSentEvent(event="queued", data=Progress(stage="queued").model_dump_json(exclude_none=True))
    with parts.board.following(track_id) as following:
        while await stream.may_go_on():
            number, progress = parts.board.latest(track_id) or (seen, None)
            if progress is not None and number != seen:
                seen = number
                yield _sent(progress.stage, progress, number)
            if look:
                row = await parts.store.track(track_id)
                if row is None:  # its listener was erased
                    return
                if row.track.status in ("ready", "failed"):
                    yield _sent(row.track.status, row.track)
                    return
            look = await following.wait(stream.paid_s())


def _sent(event: str, data: BaseModel, number: int | None = None) -> ServerSentEvent:
    shown = data.model_dump_json(exclude_none=isinstance(data, Progress))
    return ServerSentEvent(event=event, data=shown, id=None if number is None else str(number))


def _with_progress(parts: Parts, track: Track) -> Track:
    latest = parts.board.latest(track.track_id)
    if track.status in ("ready", "failed") or latest is None or latest[1].stage not in _SHOWN:
        return track
    progress = TrackProgress.model_validate(latest[1].model_dump(include=set(TrackProgress.model_fields)))
    return track.model_copy(update={"progress": progress})


@asynccontextmanager
async def wishing(
    parts: Parts, by: Principal, body: TrackCreate | FourCreate, tracks: int
) -> AsyncIterator[tuple[Planning, int]]:
    """A transaction in which so many tracks of a wish, which are paid for, are planned, and how many the listener may
    have in the making; they are made once it has ended.

    Raises:
        ServiceError: a prompt that cannot be read, no such listener, too many open tracks, or a spent budget.
        BackendAway: the engine or Postgres is away.
    """
    require_storable(body.prompt)
    await require_engine(parts)
    await require_readable(parts, body.prompt)
    async with parts.store.planning(body.listener_id) as planning:
        if planning is None:
            raise unknown_listener()
        free = await require_open_slots(planning, parts.settings.open_tracks_per_listener, tracks)
        await parts.budgets.audio(by, body.listener_id, tracks * body.seconds)
        yield planning, free
    parts.maker.wake()


async def require_engine(parts: Parts) -> None:
    """Passes if the engine answers, else 503 `engine_away`."""
    if not await parts.engine.is_reachable():
        raise BackendAway("engine", "The engine does not answer.")


async def require_readable(parts: Parts, prompt: str) -> None:
    """Passes unless the engine says that it cannot read the whole of the prompt: how long one may be is the base's."""
    problem = await parts.engine.problem_with(prompt) if prompt else None
    if problem is not None:
        raise ServiceError(problem.code, problem.message, status=422, field="prompt", expected=problem.expected)


async def require_open_slots(planning: Planning, most: int, wanted: int) -> int:
    """How many more tracks the listener may have in the making; 429 `too_many_open_tracks` if fewer than `wanted`."""
    free = most - await planning.count_open()
    if free < wanted:
        raise ServiceError(
            "too_many_open_tracks",
            "This listener's earlier tracks are still in the making.",
            status=429,
            field="listener_id",
            expected=f"at most {most} open tracks",
            retry_after=5,
        )
    return free


async def require_track(parts: Parts, track_id: UUID) -> TrackRow:
    """The track, or 404 `unknown_track`."""
    row = await parts.store.track(track_id)
    if row is None:
        raise ServiceError(
            "unknown_track", "No such track.", status=404, field="track_id", expected="the id of a track"
        )
    note([row.track.listener_id])
    return row


def require_storable(prompt: str) -> None:
    """Passes unless the prompt holds what no database stores."""
    if "\0" in prompt:
        raise ServiceError(
            "invalid_value",
            "The prompt holds a NUL character.",
            status=422,
            field="prompt",
            expected="a text without NUL",
        )
