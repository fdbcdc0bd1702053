"""For operators: kill switches, which act at once, and orders to the rollout process, which acts at its next turn."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response

from schemas.operating import OrderCreate, OrderView, PagesView, RefusalsView, Signed, SwitchCreate, SwitchView
from services.errors import ServiceError
from services.gateway.access import needs
from services.gateway.attributes import declared, require_declared
from services.gateway.operating import Operating
from services.gateway.parts import At, By
from services.gateway.refusals import RefusalBook

router = APIRouter(prefix="/v1", tags=["operators"])

Limit = Annotated[int, Query(ge=1, le=500)]
_SIGNED = {"reason": "a hum in the low end"}
_SWITCH = {
    "cohort": {"value": {"cohort": "home=folk", **_SIGNED}},
    "everyone": {"value": {"everyone": True, **_SIGNED}},
}
_ORDER = {
    "revert": {"value": {"action": "revert", "release_id": "019a0000-0000-7000-8000-000000000000", **_SIGNED}},
    "stop": {"value": {"action": "stop", **_SIGNED}},
}


@router.post("/switches", dependencies=needs("operate"), status_code=201)
async def throw_switch(
    body: Annotated[SwitchCreate, Body(openapi_examples=_SWITCH)], parts: At, by: By, response: Response
) -> SwitchView:
    """Switches learning off for a listener, a cohort or everyone: from the next track on they hear what their songs
    alone give, or the base. Tracks that are asked for already are made as they were drawn."""
    if body.cohort is not None:
        attribute, _, value = body.cohort.partition("=")
        require_declared({attribute: value}, declared(parts.settings.cohort_attributes), "cohort")
    switch = await Operating(parts.store).throw(by.actor, body)
    response.headers["Location"] = f"/v1/switches/{switch.switch_id}"
    return switch


@router.get("/switches", dependencies=needs("operate"))
async def list_switches(
    parts: At, limit: Limit = 100, thrown: Annotated[bool, Query(description="only those not lifted")] = False
) -> list[SwitchView]:
    """Switches, newest first: who, when and why."""
    return await Operating(parts.store).switches(limit, thrown=thrown)


@router.post("/switches/{switch_id}/lift", dependencies=needs("operate"))
async def lift_switch(switch_id: UUID, body: Signed, parts: At, by: By) -> SwitchView:
    """Learning is heard again from the next track on, unless another switch names the listener."""
    switch = await Operating(parts.store).lift(by.actor, switch_id, body)
    if switch is None:
        expected = "the id of a switch"
        raise ServiceError("unknown_switch", "No such switch.", status=404, field="switch_id", expected=expected)
    return switch


@router.post("/orders", dependencies=needs("operate"), status_code=202)
async def create_order(
    body: Annotated[OrderCreate, Body(openapi_examples=_ORDER)], parts: At, by: By, response: Response
) -> OrderView:
    """Orders something of the rollout process. `Location` tells what came of it."""
    order = await Operating(parts.store).order(by.actor, body)
    response.headers["Location"] = f"/v1/orders/{order.order_id}"
    return order


@router.get("/orders", dependencies=needs("operate"))
async def list_orders(parts: At, limit: Limit = 100) -> list[OrderView]:
    """Orders, newest first."""
    return await Operating(parts.store).orders(limit)


@router.get("/orders/{order_id}", dependencies=needs("operate"))
async def get_order(order_id: UUID, parts: At) -> OrderView:
    orders = await Operating(parts.store).orders(1, order_id)
    if not orders:
        expected = "the id of an order"
        raise ServiceError("unknown_order", "No such order.", status=404, field="order_id", expected=expected)
    return orders[0]


@router.get("/refusals", dependencies=needs("operate"))
async def list_refusals(parts: At) -> list[RefusalsView]:
    """How many requests were refused within an hour and a day, by status and code, over all gateways."""
    return await RefusalBook(parts.store).told()


@router.get("/pages", dependencies=needs("operate"))
async def get_pages(parts: At) -> PagesView:
    """Where the dashboard is."""
    return PagesView(grafana=parts.settings.grafana_page.rstrip("/") or None)
