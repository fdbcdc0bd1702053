"""Songs that listeners bring: taken in as a stream, handed to the engine for normalisation and features."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response

from schemas.api import Song
from schemas.base import Problem
from schemas.generation import MAX_SONG_BYTES, SongFacts, SongRequest
from services.errors import BackendAway, ServiceError
from services.gateway import metrics
from services.gateway.absent import unknown_listener
from services.gateway.access import needs
from services.gateway.engine import EngineAway, EngineRefused
from services.gateway.erasures import adopt
from services.gateway.parts import At, By, Parts
from services.gateway.routes.listeners import require_listener
from services.gateway.slots import too_many_uploads
from services.gateway.uploads import Upload, receive_upload
from services.gateway.withdrawals import withdraw
from services.identifiers import uuid7
from services.principals.principal import Principal

log = structlog.get_logger()
router = APIRouter(prefix="/v1/listeners", tags=["songs"])

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "contentMediaType": "audio/*"}},
                }
            }
        },
    }
}


@router.post(
    "/{listener_id}/songs",
    dependencies=needs("listen"),
    status_code=201,
    openapi_extra=_FORM,
    responses={200: {"model": Song}},
)
async def upload_song(listener_id: UUID, request: Request, response: Response, parts: At, by: By) -> Song:
    """Takes a song in the multipart field `file`: wav, flac, ogg (Vorbis or Opus), mp3 or m4a/aac, 1 second to
    10 minutes, 8 to 192 kHz, at most 50 MB. Its bytes say what it is, not its name or type.

    The same bytes again answer 200 with the song they became the first time. The newest three songs are used.
    When many come at once, 503 with `Retry-After` is answered before the body is read. What a song lasts counts against
    a budget; one that is too long for what is left answers 429 and is not kept.
    """
    await require_listener(parts, listener_id)
    async with parts.uploads.one(by.owner), _paid(parts, by, listener_id, request) as upload:
        known = await parts.store.song_of_upload(listener_id, upload.sha256)
        if known is None:
            await _require_room(parts, listener_id)
            song = await _take_in(parts, by, listener_id, upload)
            if song is not None:
                response.headers["Location"] = f"/v1/listeners/{listener_id}/songs"
                metrics.SONGS.labels("stored").inc()
                return song
            known = await parts.store.song_of_upload(listener_id, upload.sha256)
    if known is None:
        raise unknown_listener()  # who took it back meanwhile, or was erased
    metrics.SONGS.labels("repeated").inc()
    response.status_code = 200
    return known


@router.get("/{listener_id}/songs", dependencies=needs("listen"))
async def list_songs(listener_id: UUID, parts: At) -> list[Song]:
    """The listener's songs, newest first."""
    await require_listener(parts, listener_id)
    return await parts.store.songs(listener_id)


@router.delete("/{listener_id}/songs/{song_id}", dependencies=needs("listen"), status_code=204)
async def take_back_song(listener_id: UUID, song_id: UUID, parts: At, by: By) -> None:
    """Takes a song back, for good: no track follows it any more, its sound is removed, and versions that learned from
    it are retired at once; the next round learns without it. Tracks that were being made with it fail with the code
    `song_withdrawn`; finished ones stay. May be repeated."""
    await require_listener(parts, listener_id)
    failed = await withdraw(parts.store, by.actor, listener_id, song_id)
    if failed is None:
        raise ServiceError(
            "unknown_song",
            "No such song.",
            status=404,
            field="song_id",
            expected="the id of one of the listener's songs",
        )
    for track_id in failed:
        parts.maker.cancel(track_id)
    metrics.SONGS.labels("withdrawn").inc()
    await _dropped(parts, song_id)  # and once more by what tidies


@asynccontextmanager
async def _paid(parts: Parts, by: Principal, listener_id: UUID, request: Request) -> AsyncIterator[Upload]:
    """The upload, once its size is paid for: the declared one, else the largest that is taken."""
    declared = request.headers.get("content-length", "")
    size = min(int(declared), MAX_SONG_BYTES) if declared.isdigit() else MAX_SONG_BYTES
    await parts.budgets.upload(by, listener_id, size)
    async with receive_upload(request, MAX_SONG_BYTES) as upload:
        yield upload


async def _require_room(parts: Parts, listener_id: UUID) -> None:
    most = parts.settings.songs_kept
    if len(await parts.store.songs(listener_id)) >= most:
        raise ServiceError(
            "too_many_songs",
            "This listener has enough songs.",
            status=409,
            field="file",
            expected=f"at most {most} songs",
        )


async def _take_in(parts: Parts, by: Principal, listener_id: UUID, upload: Upload) -> Song | None:
    song_id = uuid7()
    source = parts.blobs.incoming(song_id)
    try:
        await parts.blobs.put(source, upload.file)
        facts = await _processed(
            parts, SongRequest(song_id=song_id, source=source, destination=parts.blobs.song(song_id))
        )
    except OSError as error:
        raise BackendAway("store", "The upload cannot be stored now.") from error
    finally:
        await _forget(parts, source)
    try:
        await parts.budgets.song(by, listener_id, facts.seconds)
    except ServiceError:
        await _dropped(parts, song_id)
        raise
    return await _added(parts, listener_id, song_id, upload, facts)


async def _added(parts: Parts, listener_id: UUID, song_id: UUID, upload: Upload, facts: SongFacts) -> Song | None:
    """The song, unless it is nobody's: the same bytes were quicker, or the listener was erased meanwhile."""
    try:
        song = await parts.store.add_song(song_id, listener_id, upload.filename, upload.sha256, facts)
    except ServiceError as error:
        if error.code == "unknown_listener":
            await adopt(parts.store.within(None), listener_id, song_id)
        raise
    if song is None:
        await _dropped(parts, song_id)
    return song


async def _processed(parts: Parts, request: SongRequest) -> SongFacts:
    try:
        return await parts.engine.take_song(request)
    except EngineRefused as refusal:
        metrics.SONGS.labels("refused").inc()
        raise _refused(refusal.problem) from refusal
    except EngineAway as error:
        if error.problem.code == "busy":
            raise too_many_uploads(error.retry_after_s) from error
        raise BackendAway("engine", f"The song cannot be processed now ({error}).") from error


def _refused(problem: Problem) -> ServiceError:
    expected = problem.expected or "a wav, flac, ogg, mp3 or m4a file with 1 second to 10 minutes of sound"
    return ServiceError(problem.code, problem.message, status=422, field="file", expected=expected)


async def _dropped(parts: Parts, song_id: UUID) -> None:
    try:
        await parts.blobs.drop_song(song_id)
    except OSError as error:
        log.warning("song_left_behind", song_id=str(song_id), error=str(error))


async def _forget(parts: Parts, source: str) -> None:
    try:
        await parts.blobs.drop(source)
    except OSError as error:
        log.warning("upload_left_behind", url=source, error=str(error))
