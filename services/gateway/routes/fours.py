"""Four takes: one prompt, one arm, four seeds, of which the listener picks the one they want to hear again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response

from schemas.api import Four, FourCreate
from services.errors import ServiceError
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.parts import At, By
from services.gateway.routes.tracks import wishing
from services.gateway.wishes import TAKES, make_four
from services.identifiers import uuid7

router = APIRouter(prefix="/v1/fours", tags=["fours"])

_EXAMPLE = {
    "harp": {"value": {"listener_id": "019a0000-0000-7000-8000-000000000000", "prompt": "a slow air", "seconds": 8}}
}


@router.post("", dependencies=needs("listen"), status_code=202)
async def create_four(
    body: Annotated[FourCreate, Body(openapi_examples=_EXAMPLE)], parts: At, by: By, response: Response
) -> Four:
    """Asks for four takes of one prompt. They differ by nothing but chance, so that the pick teaches what is liked; it
    says first to fourth, or none, and may be changed. They cost four times one track's sound, and have no stars."""
    four_id = uuid7()
    async with wishing(parts, by, body, TAKES) as (planning, _):
        own = (await planning.taste()).outside_releases()
        tracks = await make_four(planning, parts, body, own, four_id)
    response.headers["Location"] = f"/v1/fours/{four_id}"
    return Four(four_id=four_id, tracks=tracks)


@router.get("/{four_id}", dependencies=needs("listen"))
async def get_four(four_id: UUID, parts: At) -> Four:
    """The four in the order in which they are to be offered."""
    tracks = await parts.store.four(four_id)
    if tracks is None:
        raise ServiceError("unknown_four", "No such four.", status=404, field="four_id", expected="the id of a four")
    note([tracks[0].listener_id])
    return Four(four_id=four_id, tracks=tracks)
