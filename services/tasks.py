"""Ends asyncio tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_S: Final = 3.0


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and returns when all are over, however they end.

    One cancellation is not enough: in Python 3.11 `asyncio.wait_for`, by which psycopg's pool waits, drops one that
    arrives together with what was waited for (CPython issue 86296).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
