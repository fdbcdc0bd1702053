"""The audio of a finished track, whole or by byte range; of an unfinished one, what there is of it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from schemas.base import Problem
from services.errors import BackendAway, ServiceError
from services.gateway.access import needs
from services.gateway.conditions import is_unchanged, may_send_part
from services.gateway.live import first_part, wav
from services.gateway.parts import At, Parts
from services.gateway.problems import rendered, request_id
from services.gateway.ranges import ByteRange, Unsatisfiable, requested
from services.gateway.routes.tracks import require_track
from services.gateway.store import TrackRow

router = APIRouter(prefix="/v1", tags=["tracks"])

_DOCS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "audio/flac": {"schema": {"type": "string", "format": "binary"}},
            "audio/wav": {"schema": {"type": "string", "format": "binary"}},
        }
    },
    206: {
        "description": "the bytes asked for by the Range header",
        "content": {"audio/flac": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "unchanged since the ETag of If-None-Match"},
}


@router.get("/tracks/{track_id}/audio", dependencies=needs("listen"), response_class=StreamingResponse, responses=_DOCS)
@router.head("/tracks/{track_id}/audio", dependencies=needs("listen"), include_in_schema=False)
async def get_audio(
    track_id: UUID,
    request: Request,
    parts: At,
    live: Annotated[bool, Query(description="do not wait for the end of a track that is being made")] = False,
) -> Response:
    """FLAC. Supports HEAD, `Range` (one range), `If-Range` and `If-None-Match`; the ETag is the audio's SHA-256.

    With `live=1`, a track that is still being made is a WAV stream of unknown length instead: what is ready at once,
    the rest as it is made. It starts when the first seconds are ready and ends with the track."""
    row = await require_track(parts, track_id)
    if live and request.method == "GET" and row.track.status in ("queued", "running"):
        first, row = await first_part(parts, row)
        if first is not None:
            return StreamingResponse(
                wav(parts, track_id, first), headers={"Cache-Control": "no-store"}, media_type="audio/wav"
            )
    return await _finished(request, parts, row)


async def _finished(request: Request, parts: Parts, row: TrackRow) -> Response:
    if row.audio_url is None or row.track.status != "ready":
        raise ServiceError(
            "track_not_ready",
            f"The track is {row.track.status}.",
            status=409,
            field="track_id",
            expected="a track that is ready",
            retry_after=None if row.track.status == "failed" else 1,
        )
    if row.track.audio_expired_at is not None:
        message = "The track's sound is kept no longer; its ratings are."
        raise ServiceError("audio_expired", message, status=410, field="track_id", expected="a newer track")
    age = datetime.now(UTC) - row.track.created_at
    headers = {
        "ETag": f'"{row.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={parts.settings.terms.cached_s(age)}, immutable",
        "Content-Disposition": f'inline; filename="{row.track.track_id}.flac"',
    }
    if is_unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return await _audio(request, parts, row.audio_url, headers)


async def _audio(request: Request, parts: Parts, url: str, headers: dict[str, str]) -> Response:
    try:
        size = await parts.blobs.size(url)
    except OSError as error:
        raise BackendAway("store", "The audio cannot be read now.") from error
    try:
        part = requested(_range_header(request, headers["ETag"]), size)
    except Unsatisfiable:
        problem = Problem(
            code="range_outside",
            message="The range lies outside the audio.",
            field="Range",
            expected=f"bytes within 0-{size - 1}",
        )
        return rendered(problem, 416, {"Content-Range": f"bytes */{size}"}, request_id(request))
    whole = part or ByteRange(0, size, size)
    headers = {**headers, "Content-Length": str(whole.length)}
    if part is not None:
        headers["Content-Range"] = part.content_range
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type="audio/flac")
    body = parts.blobs.read(url, whole.start, whole.stop)
    return StreamingResponse(body, status, headers, media_type="audio/flac")


def _range_header(request: Request, etag: str) -> str | None:
    """The range that is asked for; only GET has one (RFC 9110 section 14.2)."""
    if request.method != "GET" or not may_send_part(request.headers.get("if-range"), etag):
        return None
    return request.headers.get("range")
