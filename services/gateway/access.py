"""One bearer token guards every route under /v1, before anything of a body is read. It says nothing about which
listener speaks."""

import hmac
from typing import Final

from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.problems import answered

GUARDED: Final = "/v1"
# Only says in the OpenAPI document what `Guarded` asks for.
BEARER: Final = HTTPBearer(auto_error=False, description="The token of ENCORE_API_TOKEN.")


class Guarded:
    """Lets a request under /v1 pass that carries the token; the others are answered 401 `unauthorized`."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._expected = f"bearer {token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_guarded(scope["path"]) and not self._carries_token(scope):
            await answered(_unauthorized(), scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _carries_token(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = given.partition(b" ")
        return hmac.compare_digest(scheme.lower() + b" " + token.strip(), self._expected)


def _is_guarded(path: str) -> bool:
    return path == GUARDED or path.startswith(f"{GUARDED}/")


def _unauthorized() -> ServiceError:
    return ServiceError(
        "unauthorized",
        "No valid token.",
        status=401,
        field="Authorization",
        expected="Bearer followed by the API token",
    )
