"""Everything about a listener, to take away."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from services import audit
from services.gateway.access import needs
from services.gateway.exports import Export
from services.gateway.parts import At, By
from services.gateway.routes.listeners import require_listener
from services.gateway.routes.taste import get_taste

router = APIRouter(prefix="/v1/listeners", tags=["listeners"])

_DOCS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}


async def _slot(parts: At, by: By) -> AsyncIterator[None]:
    """Held until the archive is sent, or whoever asked has gone."""
    async with parts.exports.one(by.owner):
        yield


@router.get("/{listener_id}/export", dependencies=needs("listen"), response_class=StreamingResponse, responses=_DOCS)
async def export_listener(
    listener_id: UUID, parts: At, by: By, _: Annotated[None, Depends(_slot, scope="request")]
) -> StreamingResponse:
    """A ZIP archive: rows and taste as JSON, audio as FLAC, adapters and features as safetensors, and a manifest with
    the SHA-256 of each. Its rows are those of one moment. Which arm made a track is not in it. When many are being sent
    at once, the answer is 503 with `Retry-After`."""
    listener = await require_listener(parts, listener_id)
    taste = await get_taste(listener_id, parts)
    async with parts.store.transaction() as execute:
        await audit.record(execute, by.actor, "listener.exported", subject=str(listener_id))
    export = Export(parts.store, parts.blobs, parts.settings.store_url, listener_id, parts.settings.song_audio_purpose)
    headers = {
        "Content-Disposition": f'attachment; filename="encore-{listener_id}.zip"',
        "Cache-Control": "no-store",
    }
    body = export.pieces(listener=listener.model_dump_json(), taste=taste.model_dump_json())
    return StreamingResponse(body, headers=headers, media_type="application/zip")
