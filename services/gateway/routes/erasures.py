"""Erasing a listener, and how far that is."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from schemas.erasures import ErasureView, Reason
from services.errors import ServiceError
from services.gateway.absent import unknown_listener
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.erasures import erase, job
from services.gateway.parts import At, By

router = APIRouter(prefix="/v1", tags=["listeners"])


@router.delete("/listeners/{listener_id}", dependencies=needs("erase"), status_code=202)
async def erase_listener(
    listener_id: UUID,
    parts: At,
    by: By,
    response: Response,
    reason: Annotated[Reason | None, Query(description="an operator must say one")] = None,
) -> ErasureView:
    """Erases a listener, for good: from now on nobody finds them, and nothing of theirs is taken. `Location` tells
    which stores have confirmed that nothing of them is left. May be repeated."""
    if by.kind == "operator" and reason is None:
        raise ServiceError(
            "missing_field", "An operator says why.", status=422, field="reason", expected="why the listener is erased"
        )
    own = parts.store.within(None)
    erasure = await erase(own, by, listener_id, reason or "")
    if erasure is None:
        raise unknown_listener()
    note([listener_id])
    for track_id in erasure.open_tracks:
        parts.maker.cancel(track_id)
    response.headers["Location"] = f"/v1/erasures/{erasure.erasure_id}"
    view = await job(own, by, erasure.erasure_id)
    assert view is not None
    return view


@router.get("/erasures/{erasure_id}", dependencies=needs("erase"))
async def get_erasure(erasure_id: UUID, parts: At, by: By) -> ErasureView:
    """How far an erasure is: the times at which stores confirmed. It stays when the listener is gone."""
    view = await job(parts.store.within(None), by, erasure_id)
    if view is None:
        expected = "the id of an erasure"
        raise ServiceError("unknown_erasure", "No such erasure.", status=404, field="erasure_id", expected=expected)
    return view
