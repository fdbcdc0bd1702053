"""Each request under /v1 of a known principal is paid for before anything of its body is read."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.problems import answered


class Metered:
    """Lets a request pass whose principal's budget has one left; the others are answered 429 `over_budget`."""

    def __init__(self, app: ASGIApp, public: FastAPI) -> None:
        self._app = app
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope.get("encore.principal")
        if principal is not None:
            try:
                await self._public.state.parts.budgets.request(principal)
            except ServiceError as error:
                await answered(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)
