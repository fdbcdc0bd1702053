"""Blind pairs: one prompt, one seed, two arms, and the order in which they are offered."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response

from schemas.api import Pair, TrackCreate
from services.errors import ServiceError
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.assignment import draw_pair
from services.gateway.parts import At, By
from services.gateway.routes.tracks import wishing
from services.gateway.wishes import Drawn, make
from services.identifiers import uuid7

router = APIRouter(prefix="/v1/pairs", tags=["pairs"])

_EXAMPLE = {
    "harp": {"value": {"listener_id": "019a0000-0000-7000-8000-000000000000", "prompt": "a slow air", "seconds": 8}}
}


@router.post("", dependencies=needs("listen"), status_code=202)
async def create_pair(
    body: Annotated[TrackCreate, Body(openapi_examples=_EXAMPLE)], parts: At, by: By, response: Response
) -> Pair:
    """Asks for two tracks to be compared. Which is which is not told; the vote says first, second, tie or both bad."""
    pair_id = uuid7()
    async with wishing(parts, by, body, 2) as (planning, _):
        own = await planning.taste()
        if len(own.pair_shares) < 2:
            raise nothing_to_compare()
        salt = own.salt or parts.settings.arm_salt.get_secret_value()
        draws = draw_pair(salt, body.listener_id, pair_id, own.pair_shares)
        first, second = await make(planning, parts, body, own, Drawn(draws, (uuid7(), uuid7()), pair_id))
    response.headers["Location"] = f"/v1/pairs/{pair_id}"
    return Pair(pair_id=pair_id, first=first, second=second)


def nothing_to_compare() -> ServiceError:
    return ServiceError(
        "nothing_to_compare",
        "Learning is switched off for this listener, and without songs there is one kind of track only.",
        status=409,
        field="listener_id",
        expected="a listener with songs, or one whom no switch names",
    )


@router.get("/{pair_id}", dependencies=needs("listen"))
async def get_pair(pair_id: UUID, parts: At) -> Pair:
    tracks = await parts.store.pair(pair_id)
    if tracks is None:
        raise ServiceError("unknown_pair", "No such pair.", status=404, field="pair_id", expected="the id of a pair")
    note([tracks[0].listener_id])
    return Pair(pair_id=pair_id, first=tracks[0], second=tracks[1])
