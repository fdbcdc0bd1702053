"""A limit on the size of JSON bodies, and on how long any body may take; the size of uploads is theirs to limit."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway.problems import answered

# What comes with these is never read.
_WITHOUT_BODY: Final = ("GET", "HEAD", "DELETE", "OPTIONS")
MAX_JSON_BYTES: Final = 1024 * 1024
JSON_S: Final = 30.0
UPLOAD_S: Final = 900.0
"""50 MB at half a megabit a second."""
SILENCE_S: Final = 15.0
"""How long a client may send nothing in the midst of a body."""


class Bounded:
    """Reads a JSON body whole before anything else sees it: 413 when it is too large, 408 when it comes too slowly.
    An upload is passed on piece by piece, with deadlines of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
        elif scope["path"].endswith("/songs"):
            await self._app(scope, _timed(receive, UPLOAD_S), send)
        else:
            await self._read_first(scope, receive, send)

    async def _read_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _whole(scope, _timed(receive, JSON_S))
        except ServiceError as error:
            await answered(error, scope)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


async def _whole(scope: Scope, receive: Receive) -> bytes | None:
    """The body; None if the client left.

    Raises:
        ServiceError: 413 `too_large`, 408 `too_slow`.
    """
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if int(declared) > MAX_JSON_BYTES:
        raise _too_large()
    seen = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        seen += message.get("body", b"")
        if len(seen) > MAX_JSON_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(seen)


def _timed(receive: Receive, whole_s: float) -> Receive:
    """The same, with deadlines until the body's end: 408 `too_slow` is raised where it is read."""
    ends_at = asyncio.get_running_loop().time() + whole_s
    ended = False

    async def timed() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        try:
            async with asyncio.timeout_at(min(ends_at, asyncio.get_running_loop().time() + SILENCE_S)):
                message = await receive()
        except TimeoutError:
            raise _too_slow(whole_s) from None
        ended = not message.get("more_body", False)
        return message

    return timed


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _too_large() -> ServiceError:
    expected = f"at most {MAX_JSON_BYTES} bytes"
    return ServiceError("too_large", "The body is too large.", status=413, field="body", expected=expected)


def _too_slow(whole_s: float) -> ServiceError:
    expected = f"the whole body within {whole_s:.0f} s, and never {SILENCE_S:.0f} s without a byte"
    return ServiceError("too_slow", "The body did not come in time.", status=408, field="body", expected=expected)
