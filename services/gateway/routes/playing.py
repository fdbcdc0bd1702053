"""Where a listener is in what they hear, told by one device and asked for by the next."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body

from schemas.playing import PlayingSet, PlayingView
from services.gateway import playing
from services.gateway.access import needs
from services.gateway.parts import At
from services.gateway.routes.listeners import require_listener
from services.gateway.routes.tracks import require_storable

router = APIRouter(prefix="/v1/listeners", tags=["listeners"])

_ID: Final = "019a0000-0000-7000-8000-000000000000"
_STATION: Final = {"prompt": "calm piano", "seconds": 20, "made": 3, "tracks": [_ID], "at_s": 7.5}
_EXAMPLE: Final = {"begins": {"value": {"device_id": _ID, "begins": True, "station": _STATION}}}


@router.get("/{listener_id}/playing", dependencies=needs("listen"))
async def get_playing(listener_id: UUID, parts: At) -> PlayingView | None:
    """What the listener heard last and where they were in it; null of who heard nothing in the last month."""
    await require_listener(parts, listener_id)
    return await playing.told(parts.store, listener_id)


@router.put("/{listener_id}/playing", dependencies=needs("listen"))
async def set_playing(
    listener_id: UUID, body: Annotated[PlayingSet, Body(openapi_examples=_EXAMPLE)], parts: At
) -> PlayingView:
    """Says what a device plays. Nothing is kept of a device that does not begin once another one has begun: the answer
    names that one, and the device is to stop. Tracks that are not the listener's are left out."""
    if body.station is not None:
        require_storable(body.station.prompt)
    await require_listener(parts, listener_id)
    return await playing.tell(parts.store, listener_id, body)


@router.delete("/{listener_id}/playing", dependencies=needs("listen"), status_code=204)
async def forget_playing(listener_id: UUID, parts: At) -> None:
    """There is nothing to go on with."""
    await require_listener(parts, listener_id)
    await playing.forget(parts.store, listener_id)
