"""What the platform asks and the public does not: liveness, readiness and metrics, on a port of their own. Strangers
who fill the public port do not make the process look dead."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.base import Frozen
from services.errors import BackendAway
from services.gateway import problems
from services.gateway.parts import At
from services.gateway.routes import health

State = Literal["ok", "away"]
_ANSWER_S = 4


class Ready(Frozen):
    """Whether each thing that the gateway leans on answers."""

    postgres: State
    kafka: State
    engine: State
    store: State


def create_inside(public: FastAPI) -> FastAPI:
    """The application beside the public one, whose parts it asks."""
    inside = FastAPI(title="Encore gateway, inside", openapi_url=None)
    inside.state = public.state
    problems.install(inside)
    inside.include_router(health.router)
    inside.add_api_route("/ready", ready, response_model=Ready)
    inside.add_api_route("/metrics", metrics, response_model=None)
    return inside


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


async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _state(question: Awaitable[bool]) -> State:
    try:
        return "ok" if await asyncio.wait_for(question, _ANSWER_S) else "away"
    except (TimeoutError, BackendAway):
        return "away"
