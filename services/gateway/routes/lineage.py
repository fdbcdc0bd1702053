"""For operators: versions with what they learned from, rounds with their curves, and the sides of a release to hear."""

from contextlib import aclosing
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response

from schemas.generation import GenerationRequest, TrackFacts
from schemas.lineage import Member, RoundCurve, SoundCreate, Sources, VersionView
from services.errors import BackendAway, ServiceError
from services.gateway.access import needs
from services.gateway.engine import EngineAway, EngineRefused
from services.gateway.lineage import Half, Place
from services.gateway.parts import At, By, Parts
from services.gateway.routes.tracks import require_engine, require_readable, require_storable
from services.identifiers import uuid7

router = APIRouter(prefix="/v1", tags=["operators"])

Limit = Annotated[int, Query(ge=1, le=500)]
_PLACE: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[1-9]\d{0,8}$"
_SOUND: Final = {
    "candidate": {
        "value": {
            "listener_id": "019a0000-0000-7000-8000-000000000000",
            "side": "candidate",
            "prompt": "a slow air",
            "seconds": 8,
            "seed": 7,
        }
    }
}
_FLAC: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/flac": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/versions", dependencies=needs("operate"))
async def list_versions(
    parts: At,
    limit: Limit = 100,
    listener_id: UUID | None = None,
    round_id: UUID | None = None,
    learned_from: Annotated[
        UUID | None,
        Query(description="a song or track: those of its listener's newest 20 versions that learned from it"),
    ] = None,
    before: Annotated[
        str | None, Query(pattern=_PLACE, description="`listener_id/version` of the last one of the page before")
    ] = None,
) -> list[VersionView]:
    """Versions, newest first. `learned_from` is asked alone."""
    if learned_from is not None:
        return await parts.lineage.learned_from(learned_from)
    return await parts.lineage.versions(limit, listener_id, round_id, None if before is None else _place(before))


@router.get("/rounds/{round_id}/sources", dependencies=needs("operate"))
async def get_sources(
    round_id: UUID,
    listener_id: UUID,
    parts: At,
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Sources:
    """What the round learned from of one listener: songs first, then rated tracks, each oldest first."""
    sources = await parts.lineage.sources(round_id, listener_id, limit, offset)
    if sources is None:
        expected = "a round that has learned from this listener"
        raise ServiceError("unknown_sources", "No such lesson.", status=404, field="listener_id", expected=expected)
    return sources


@router.get("/rounds/{round_id}/curve", dependencies=needs("operate"))
async def get_curve(round_id: UUID, parts: At) -> RoundCurve:
    """How the loss fell, step by step, and where MLflow shows the run."""
    curve = await parts.lineage.curve(round_id)
    if curve is None:
        expected = "the id of a round"
        raise ServiceError("unknown_round", "No such round.", status=404, field="round_id", expected=expected)
    return curve


@router.get("/releases/{release_id}/members", dependencies=needs("operate"))
async def list_members(
    release_id: UUID,
    parts: At,
    limit: Limit = 100,
    after: Annotated[UUID | None, Query(description="the last listener of the page before")] = None,
) -> list[Member]:
    """The listeners in a release, by their ids."""
    return await parts.lineage.members(release_id, limit, after)


@router.post("/releases/{release_id}/sounds", dependencies=needs("operate"), response_class=Response, responses=_FLAC)
async def make_sound(
    release_id: UUID, body: Annotated[SoundCreate, Body(openapi_examples=_SOUND)], parts: At, by: By
) -> Response:
    """Makes what one side of a release plays a listener in it, and answers the audio once it is made. It is kept
    nowhere and counts for nothing; that somebody heard it is recorded."""
    require_storable(body.prompt)
    await require_engine(parts)
    await require_readable(parts, body.prompt)
    half = await parts.lineage.side(by.actor, release_id, body.listener_id, body.side)
    if half is None:
        expected = "a listener in this release"
        raise ServiceError("unknown_member", "No such listener.", status=404, field="listener_id", expected=expected)
    return Response(await _made(parts, body, half), media_type="audio/flac")


async def _made(parts: Parts, body: SoundCreate, half: Half) -> bytes:
    track_id = uuid7()
    request = GenerationRequest(
        track_id=track_id,
        listener_id=body.listener_id,
        arm=body.side,
        prompt=body.prompt,
        seconds=body.seconds,
        seed=body.seed,
        songs=half.songs,
        adapter=half.adapter,
        destination=parts.blobs.passing(track_id),
    )
    try:
        facts = await _facts(parts, request)
        audio = [piece async for piece in parts.blobs.read(facts.audio_url, 0, await parts.blobs.size(facts.audio_url))]
        for url in (facts.audio_url, facts.features_url):
            await parts.blobs.drop(url)
    except OSError as error:
        raise BackendAway("store", "The audio cannot be read now.") from error
    return b"".join(audio)


async def _facts(parts: Parts, request: GenerationRequest) -> TrackFacts:
    try:
        async with aclosing(parts.engine.make_track(request)) as answer:
            async for news in answer:
                if isinstance(news, TrackFacts):
                    return news
    except EngineRefused as error:
        expected = "what the engine can make"
        raise ServiceError(error.problem.code, error.problem.message, status=409, expected=expected) from error
    except EngineAway as error:
        raise BackendAway("engine", error.problem.message) from error
    raise BackendAway("engine", "The engine broke off.")


def _place(text: str) -> Place:
    listener, version = text.split("/")
    return Place(UUID(listener), int(version))
