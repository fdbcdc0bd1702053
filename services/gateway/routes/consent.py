"""What a listener agreed to: that Encore learns from what they do, and that analysts may count them."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body

from schemas.api import ConsentEntry, ConsentGiven, ConsentView
from services.gateway.absent import unknown_listener
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.consents import QUERIES, Consent, noted
from services.gateway.executes import Execute
from services.gateway.parts import At, By

router = APIRouter(prefix="/v1/listeners", tags=["listeners"])

_EXAMPLE: Final = {"no-analysis": {"value": {"training": True, "analysis": False, "text_version": "2026-01"}}}


@router.get("/{listener_id}/consent", dependencies=needs("listen"))
async def get_consent(listener_id: UUID, parts: At) -> ConsentView:
    """What holds now, and the last thousand answers, each with the version of the text and the time."""
    async with parts.store.transaction() as execute:
        return await _view(execute, listener_id)


@router.put("/{listener_id}/consent", dependencies=needs("listen"))
async def give_consent(
    listener_id: UUID, body: Annotated[ConsentGiven, Body(openapi_examples=_EXAMPLE)], parts: At, by: By
) -> ConsentView:
    """Gives or takes back consent. Without `training` tracks are made and nothing is learned from then on; without
    `analysis` the listener is in nothing that analysts see."""
    async with parts.store.transaction() as execute:
        await _view(execute, listener_id)
        await noted(execute, listener_id, Consent(by.kind, body))
        return await _view(execute, listener_id)


async def _view(execute: Execute, listener_id: UUID) -> ConsentView:
    state = await execute(QUERIES["state"], {"listener_id": listener_id})
    if not state:
        raise unknown_listener()
    note([listener_id])
    history = await execute(QUERIES["history"], {"listener_id": listener_id})
    return ConsentView(**state[0], history=[ConsentEntry.model_validate(row) for row in history])
