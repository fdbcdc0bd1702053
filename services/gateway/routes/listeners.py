"""Listeners: who hears, and to which cohorts they belong."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response

from schemas.api import Listener, ListenerCreate
from services.gateway.absent import unknown_listener
from services.gateway.access import needs
from services.gateway.acting import note
from services.gateway.attributes import declared, require_declared
from services.gateway.consents import Consent, by_default
from services.gateway.parts import At, By, Parts

router = APIRouter(prefix="/v1/listeners", tags=["listeners"])

_EXAMPLE = {"folk": {"value": {"attributes": {"home": "folk", "age_band": "30-39"}}}}


@router.post("", dependencies=needs("listeners:create"), status_code=201)
async def create_listener(
    body: Annotated[ListenerCreate, Body(openapi_examples=_EXAMPLE)], parts: At, by: By, response: Response
) -> Listener:
    """Creates a listener of the service that asks. Each attribute makes a cohort, such as `home=folk`; the operator
    declares which there may be. `consent` is what they answered, and to which text."""
    require_declared(body.attributes, declared(parts.settings.cohort_attributes))
    consent = by_default(parts.settings) if body.consent is None else Consent(by.kind, body.consent)
    listener = await parts.store.add_listener(body.attributes, by.name, consent)
    note([listener.listener_id])
    response.headers["Location"] = f"/v1/listeners/{listener.listener_id}"
    return listener


@router.get("/{listener_id}", dependencies=needs("listen"))
async def get_listener(listener_id: UUID, parts: At) -> Listener:
    return await require_listener(parts, listener_id)


async def require_listener(parts: Parts, listener_id: UUID) -> Listener:
    """The listener, or 404 `unknown_listener`."""
    listener = await parts.store.listener(listener_id)
    if listener is None:
        raise unknown_listener()
    note([listener_id])
    return listener
