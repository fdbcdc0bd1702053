"""Who asks is known, and what they may do decided, before anything of a body is read. Each route under /v1 declares the
one scope that it needs."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, FastAPI, Security
from fastapi.params import Security as Needed
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.problems import answered
from services.principals import principal as principals
from services.principals.keys import KeyFile
from services.principals.oidc import NotStaff, Provider
from services.principals.principal import Principal
from services.principals.tokens import InvalidToken, read

GUARDED: Final = "/v1"
OPEN: Final = frozenset({"/v1/sessions"})
"""Where a login is exchanged for a token: whoever comes has none yet."""
# Only says in the OpenAPI document what `Guarded` asks for.
BEARER: Final = HTTPBearer(auto_error=False, description="A token of Encore: docs/security.md says who gets which.")


def needs(scope: principals.Scope) -> list[Any]:
    """The dependencies of a route that asks for this scope."""
    return [Security(BEARER, scopes=[scope])]


class Door(NamedTuple):
    """A route under /v1 and the scope that it needs; None where it is open."""

    methods: frozenset[str]
    path: re.Pattern[str]
    scope: str | None


def doors_of(routers: Iterable[APIRouter]) -> Sequence[Door]:
    """Every route of these under /v1.

    Raises:
        ValueError: one of them declares no scope, or several.
    """
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return [_door(route) for route in routes if _is_guarded(route.path)]


def _door(route: APIRoute) -> Door:
    scopes = [scope for each in route.dependencies if isinstance(each, Needed) for scope in each.scopes or ()]
    if len(scopes) != (route.path not in OPEN):
        raise ValueError(f"{route.path} must need exactly one scope, or none where it is open")
    return Door(frozenset(route.methods or ()), route.path_regex, scopes[0] if scopes else None)


class Guarded:
    """Lets a request under /v1 pass whose token is valid and has the route's scope, and names its principal in the
    scope as `encore.principal`. The others are answered 401 `unauthorized` or 403 `forbidden`; where no door is known,
    nobody passes."""

    def __init__(self, app: ASGIApp, public: FastAPI, doors: Sequence[Door]) -> None:
        self._app = app
        self._public = public
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_guarded(scope["path"]) and scope["path"] not in OPEN:
            try:
                scope["encore.principal"] = await self._admitted(scope)
            except ServiceError as error:
                await answered(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Principal:
        principal = await self._known(scope)
        there = [door for door in self._doors if door.path.match(scope["path"])]
        asked = next((door for door in there if scope["method"] in door.methods), None)
        if asked is not None and asked.scope not in principal.scopes:
            raise forbidden(principal, f"a token with the scope {asked.scope}")
        if asked is None:
            raise _nowhere(there)
        return principal

    async def _known(self, scope: Scope) -> Principal:
        keys: KeyFile = self._public.state.keys
        provider: Provider | None = self._public.state.provider
        try:
            token = _bearer(scope)
            if provider is not None and provider.made(token):
                return await provider.read(token)
            return read(token, keys.current())
        except InvalidToken as error:
            raise _unauthorized(str(error)) from error
        except NotStaff as error:
            message = "None of your groups may do anything here."
            expected = "a member of one of the groups that ENCORE_OIDC_GROUPS names"
            raise ServiceError("forbidden", message, status=403, field="Authorization", expected=expected) from error


def _bearer(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"authorization", b"")
    scheme, _, token = given.partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        raise InvalidToken("There is no token.")
    return str(token.strip().decode("latin-1"))


def _nowhere(there: Sequence[Door]) -> ServiceError:
    """404, or 405 where the address is known for other methods."""
    methods = sorted({method for door in there for method in door.methods})
    if not methods:
        return ServiceError("no_such_route", "Not Found", status=404)
    return ServiceError("method_not_allowed", "Method Not Allowed", status=405, expected=", ".join(methods))


def _is_guarded(path: str) -> bool:
    return path == GUARDED or path.startswith(f"{GUARDED}/")


def _unauthorized(why: str) -> ServiceError:
    expected = "Bearer followed by a token that is valid now"
    return ServiceError("unauthorized", why, status=401, field="Authorization", expected=expected)


def forbidden(principal: Principal, expected: str) -> ServiceError:
    """403: it is known who asks, and that they may not."""
    message = f"A token of the kind {principal.kind} may not do this."
    return ServiceError("forbidden", message, status=403, field="Authorization", expected=expected)
