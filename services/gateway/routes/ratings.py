"""What a listener has rated: their own stars, over time."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from schemas.api import GivenRating
from services.gateway.access import needs
from services.gateway.parts import At
from services.gateway.routes.listeners import require_listener

router = APIRouter(prefix="/v1/listeners", tags=["taste"])


@router.get("/{listener_id}/ratings", dependencies=needs("listen"))
async def list_ratings(
    listener_id: UUID, parts: At, limit: Annotated[int, Query(ge=1, le=500)] = 500
) -> list[GivenRating]:
    """The last rating of each of the listener's tracks, newest first; of which version a track was is not told."""
    await require_listener(parts, listener_id)
    return await parts.store.ratings(listener_id, limit)
