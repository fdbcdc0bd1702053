"""Each request of a known principal waits for a place before anything is asked of PostgreSQL for it. A stranger is told
from others by what they bring, so the one route that takes it waits for a place itself."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.acting import Subject
from services.gateway.admission import Admission
from services.gateway.problems import answered
from services.principals.principal import Principal

_PLACES: Final = "encore.places"


class Placed:
    """Holds a place until the answer begins: who listens, or follows a track, needs none."""

    def __init__(self, app: ASGIApp, admission: Admission | None = None) -> None:
        self._app = app
        self._admission = admission or Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("encore.principal")
        if principal is None:
            scope[_PLACES] = self._admission
            await self._app(scope, receive, send)
            return
        subject = Subject() if principal.kind == "service" else _themselves
        try:
            place = await self._admission.place(principal.owner, subject)
        except ServiceError as error:
            await answered(error, scope)(scope, receive, send)
            return

        async def begun(message: Message) -> None:
            place.leave()
            await send(message)

        try:
            await self._app(scope, receive, begun)
        finally:
            place.leave()


def places_of(request: Request) -> Admission:
    """What gives the places, for a request without a principal."""
    places = request.scope[_PLACES]
    assert isinstance(places, Admission)
    return places


def _themselves() -> str:
    """Whoever is no service is one, whatever they ask for."""
    return ""
