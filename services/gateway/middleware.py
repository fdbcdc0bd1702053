"""Around every request: its id, its log line, its metrics, and a limit on the size of JSON bodies."""

import re
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.base import Problem
from services.gateway import metrics
from services.gateway.problems import rendered
from services.identifiers import uuid7

log = structlog.get_logger()

MAX_JSON_BYTES: Final = 1024 * 1024
_SANE_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")


class Observed:
    """Names each request, counts and times it by route, and logs one line about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = offered.decode() if _SANE_ID.match(offered) else str(uuid7())
        scope["encore.request_id"] = request_id
        status = 500
        began = time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, named)
            finally:
                _record(scope, status, time.perf_counter() - began)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"]
    metrics.REQUESTS.labels(method, route, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(method, route).observe(seconds)
    if route not in ("/health", "/ready", "/metrics"):
        ids = {k: v for k, v in scope.get("path_params", {}).items() if k.endswith("_id")}
        log.info("request", method=method, path=scope["path"], status=status, seconds=round(seconds, 4), **ids)


class JsonLimited:
    """Refuses a JSON body above `MAX_JSON_BYTES` while it arrives; uploads have a limit of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].endswith("/songs"):
            await self._app(scope, receive, send)
            return
        seen = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            seen += message.get("body", b"")
            if len(seen) > MAX_JSON_BYTES:
                await _too_large(scope)(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        await self._app(scope, _replay(bytes(seen), receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _too_large(scope: Scope) -> ASGIApp:
    problem = Problem(
        code="too_large", message="The body is too large.", field="body", expected=f"at most {MAX_JSON_BYTES} bytes"
    )
    return rendered(problem, 413, request_id=scope.get("encore.request_id"))
