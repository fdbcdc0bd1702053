"""Who has no token of the engine gets no further: 401 before a byte of the request's body is read."""

from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.base import Problem
from schemas.engine_token import is_known

OPEN: Final = frozenset({"/health", "/metrics"})
"""What whoever supervises asks for; it tells of no listener."""
_PROBLEM: Final = Problem(code="no_token", message="Authorization: Bearer expected, with a token of the engine.")


class Door:
    """ASGI middleware; `secret` holds the tokens that are taken."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app, self._secret = app, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._lets_in(scope):
            await self._app(scope, receive, send)
            return
        refusal = JSONResponse(_PROBLEM.model_dump(), 401, {"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)

    def _lets_in(self, scope: Scope) -> bool:
        if scope["type"] != "http":
            return False
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        said = [value for name, value in scope["headers"] if name == b"authorization"]
        return path in OPEN or (len(said) == 1 and is_known(self._secret, said[0]))
