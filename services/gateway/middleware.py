"""Around every request: its id, its log line, its metrics, and the answer when something here went wrong."""

import re
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import metrics
from services.gateway.problems import internal
from services.gateway.refusals import Refusals
from services.identifiers import uuid7

log = structlog.get_logger()

_SANE_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")
# A label is never what a client says: each value would be a time series for ever.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
LEFT: Final = 499  # no answer, since who asked has left; nginx's number, and no fault of ours
_LOGGED_PATH: Final = 200


class Observed:
    """Names each request, counts and times it by route, notes those refused, and logs one line about it."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = offered.decode() if _SANE_ID.match(offered) else str(uuid7())
        scope["encore.request_id"] = request_id
        status = 0
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
            except Exception as error:
                log.error("unexpected_error", path=scope["path"][:_LOGGED_PATH], exc_info=error)  # noqa: TRY400 - as all
                if status:
                    raise  # the answer has begun: only the end of the connection says that it is not whole
                await internal(scope)(scope, receive, named)
            finally:
                self._refusals.note(status, scope.get("encore.refusal"))
                _record(scope, status or LEFT, time.perf_counter() - began)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "") or OTHER
    method = scope["method"] if scope["method"] in METHODS else OTHER
    metrics.REQUESTS.labels(method, route, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(method, route).observe(seconds)
    if route != "/health":
        principal = scope.get("encore.principal")
        kind = None if principal is None else principal.kind
        ids = {k: v for k, v in scope.get("path_params", {}).items() if k.endswith("_id")}
        path = scope["path"][:_LOGGED_PATH]
        log.info("request", method=method, path=path, status=status, seconds=round(seconds, 4), by=kind, **ids)
