"""Threads for calls that block, where asyncio must not wait longer than it chose to.

A call that has begun cannot be taken back: its thread goes on to its end, and its place is free again only then. So a
backend that hangs holds `width` threads, and everybody else hears within their patience that it is away.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from services.errors import BackendAway

P = ParamSpec("P")
R = TypeVar("R")


class Lane:
    """At most `width` calls to one backend at a time; belongs to one event loop."""

    def __init__(self, backend: str, width: int) -> None:
        self._backend = backend
        self._places = asyncio.Semaphore(width)
        self._threads = ThreadPoolExecutor(width, backend)

    async def run(self, patience_s: float | None, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The call's result or exception.

        Args:
            patience_s: how long to wait, for a place and for the result together; seconds, None for ever.

        Raises:
            BackendAway: there was no result in that time. Whether the call has an effect is then not known.
        """
        try:
            async with asyncio.timeout(patience_s):
                await self._places.acquire()
                return await asyncio.shield(self._begun(lambda: call(*args, **kwargs)))
        except TimeoutError as error:
            raise BackendAway(self._backend, f"No answer within {patience_s:g} s") from error

    def close(self) -> None:
        """Waits for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begun(self, call: Callable[[], R]) -> "asyncio.Future[R]":
        future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        future.add_done_callback(self._over)
        return future

    def _over(self, future: "asyncio.Future[Any]") -> None:
        self._places.release()
        if not future.cancelled():
            future.exception()  # looked at here too, since nobody may be waiting for it any more
