"""How one gets a token: a service asks for one for its listener, a person brings the code of a login."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Request

from schemas.api import LoginCreate, LoginView, SessionCreate, TokenCreate, TokenView
from services.gateway.access import forbidden, needs
from services.gateway.attributes import declared, require_declared
from services.gateway.consents import Consent, by_default
from services.gateway.logins import Logins, digest
from services.gateway.parts import At, By
from services.gateway.placing import places_of
from services.gateway.routes.listeners import require_listener

router = APIRouter(prefix="/v1", tags=["tokens"])

_HOUR: Final = {"an-hour": {"value": {"seconds": 3600}}}
_NEWCOMER: Final = {"newcomer": {"value": {"kind": "listener"}}}
_CODE: Final = {"newcomer": {"value": {"code": "0123456789abcdefghijklmnopqrstuv", "attributes": {"home": "folk"}}}}


@router.post("/listeners/{listener_id}/tokens", dependencies=needs("tokens:mint"), status_code=201)
async def mint_token(
    listener_id: UUID, body: Annotated[TokenCreate, Body(openapi_examples=_HOUR)], parts: At, by: By
) -> TokenView:
    """A token for one listener, for at most an hour: what a browser or a phone holds."""
    await require_listener(parts, listener_id)
    return await Logins(parts.store, parts.keys.current()).mint(by, listener_id, body.seconds)


@router.post("/logins", dependencies=needs("logins:make"), status_code=201)
async def make_login(body: Annotated[LoginCreate, Body(openapi_examples=_NEWCOMER)], parts: At, by: By) -> LoginView:
    """A code that is exchanged once, within an hour, for a token. A service makes them for its listeners (without
    `listener_id` the exchange makes a new one), an operator for operators and analysts."""
    if (body.kind == "listener") != (by.kind == "service"):
        raise forbidden(by, "a service's token for a listener's login, an operator's for staff")
    if body.listener_id is not None:
        await require_listener(parts, body.listener_id)
    return await Logins(parts.store, parts.keys.current()).make(by, body)


@router.post("/sessions", status_code=201)
async def exchange_login(
    body: Annotated[SessionCreate, Body(openapi_examples=_CODE)], parts: At, request: Request
) -> TokenView:
    """Exchanges the code of a login for a token. No token is needed."""
    require_declared(body.attributes, declared(parts.settings.cohort_attributes))
    consent = by_default(parts.settings) if body.consent is None else Consent("listener", body.consent)
    logins = Logins(parts.store, parts.keys.current())
    logins.require_ours(body.code)
    place = await places_of(request).place(f"login:{digest(body.code).hex()}")
    try:
        return await logins.exchange(body.code, body.attributes, consent)
    finally:
        place.leave()


@router.post("/sessions/renewals", dependencies=needs("tokens:renew"), status_code=201)
async def renew_token(parts: At, by: By) -> TokenView:
    """A newer token for a listener whose token came of a login, until twelve hours after that."""
    return await Logins(parts.store, parts.keys.current()).renew(by)
