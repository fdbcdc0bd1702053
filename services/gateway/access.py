"""One bearer token guards every route under /v1. It says nothing about which listener speaks."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.errors import ServiceError
from services.gateway.parts import parts_of

_BEARER = HTTPBearer(auto_error=False, description="The token of ENCORE_API_TOKEN.")


async def require_token(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> None:
    """Lets a request pass that carries the token.

    Raises:
        ServiceError: 401 `unauthorized`.
    """
    expected = parts_of(request).settings.api_token.get_secret_value()
    if given is None or not hmac.compare_digest(given.credentials.encode(), expected.encode()):
        raise ServiceError(
            "unauthorized",
            "No valid token.",
            status=401,
            field="Authorization",
            expected="Bearer followed by the API token",
        )
