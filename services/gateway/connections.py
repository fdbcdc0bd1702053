"""How long and how many strangers may hold a connection, before anything is known of them.

uvicorn's own options limit only the time between two requests: a connection that never ends its first head, that sends
a head byte by byte, or that does not read its answer, would be held for ever.
"""

import asyncio
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.base import Problem
from services.gateway.problems import rendered

HEAD_S: Final = 10.0
"""From the connection, or the end of the answer before, to the end of a request's head."""
UNREAD_S: Final = 120.0
"""How long an answer may wait for its client to read on; a player that paused for longer asks again for the rest."""
LINGER_S: Final = 60.0
"""How long the rest of an answer may take to be read by a client whose connection is to be closed."""


class Timed(H11Protocol):
    """A connection whose client must say what it wants in time; above uvicorn's `limit_concurrency` connections it
    is answered 503, above twice as many it is closed at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._due: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > 2 * self._most:
            transport.abort()
            return
        if self._most is not None and len(self.connections) > self._most:
            self.app = _full
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset()
        self._is_read()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._unset()
        elif self._due is None:
            self._due = self.loop.call_later(HEAD_S, self._too_late)

    def _unset(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_late(self) -> None:
        self.transport.close()
        self._due = self.loop.call_later(LINGER_S, self.transport.abort)


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(code="too_many_connections", message="Too many connections are open here; try again.")
    answer = rendered(problem, 503, {"Retry-After": "2", "Connection": "close", "Cache-Control": "no-store"})
    await answer(scope, receive, send)
