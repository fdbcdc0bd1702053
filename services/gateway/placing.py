"""Each request waits for a place before anything is asked of PostgreSQL for it: of its principal, or, of a stranger who
brings the code of a login, of the address that they come from."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.access import OPEN
from services.gateway.acting import Subject
from services.gateway.admission import Admission
from services.gateway.problems import answered
from services.principals.principal import Principal


class Placed:
    """Holds a place until the answer begins: who listens, or follows a track, needs none."""

    def __init__(self, app: ASGIApp, admission: Admission | None = None) -> None:
        self._app = app
        self._admission = admission or Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("encore.principal")
        if principal is not None:
            owner, subject = principal.owner, Subject() if principal.kind == "service" else _themselves
        elif scope["type"] == "http" and scope["path"] in OPEN:
            owner, subject = f"stranger:{_address(scope)}", Subject()
        else:
            await self._app(scope, receive, send)
            return
        try:
            place = await self._admission.place(owner, subject)
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


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return "" if client is None else str(client[0])


def _themselves() -> str:
    """Whoever is no service is one, whatever they ask for."""
    return ""
