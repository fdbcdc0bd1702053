"""Liveness, readiness and metrics; no token is needed."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.base import Frozen
from services.errors import BackendAway
from services.gateway.parts import At

router = APIRouter(tags=["health"])

State = Literal["ok", "away"]


class Live(Frozen):
    status: Literal["ok"] = "ok"


class Ready(Frozen):
    """Whether each thing that the gateway leans on answers."""

    postgres: State
    kafka: State
    engine: State
    store: State


@router.get("/health")
async def health() -> Live:
    """The process is alive."""
    return Live()


@router.get("/ready", responses={503: {"model": Ready}})
async def ready(parts: At, response: Response) -> Ready:
    """200 if every backend answers, else 503 with the ones that are away."""
    states = await asyncio.gather(
        _state(parts.store.is_reachable()),
        _state(parts.outbox.is_reachable()),
        _state(parts.engine.is_reachable()),
        _state(parts.blobs.is_reachable()),
    )
    if "away" in states:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return Ready(postgres=states[0], kafka=states[1], engine=states[2], store=states[3])


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _state(question: Awaitable[bool]) -> State:
    try:
        return "ok" if await asyncio.wait_for(question, 4) else "away"
    except (TimeoutError, BackendAway):
        return "away"
