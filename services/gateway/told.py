"""What PostgreSQL tells (LISTEN and NOTIFY), heard over one connection of a gateway, however many wait for it."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final, LiteralString, Protocol

import structlog

from services.errors import BackendAway
from services.postgres import AsyncPool, reaching

log = structlog.get_logger()

_LOOK_S: Final = 30.0  # a notification that is lost delays its news by so much
_AGAIN_S: Final = 2.0


class Hearer(Protocol):
    """Wants to know what is told in a channel."""

    def hear(self, payload: str) -> None: ...

    async def look(self) -> None:
        """Makes good what may have been missed."""
        ...


class Told:
    """Runs within the gateway's event loop; `run` until cancelled."""

    def __init__(self, pool: AsyncPool, hearers: Mapping[LiteralString, Hearer]) -> None:
        """`pool` is for listening alone: its one connection is kept. `hearers`: by channel."""
        self._pool, self._hearers = pool, hearers

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except BackendAway as error:
                log.warning("backend_away", backend=error.backend, reason=error.message)
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        with reaching():
            async with self._pool.connection() as connection:
                await connection.set_autocommit(True)
                for channel in self._hearers:
                    await connection.execute(f"listen {channel}")
                while True:
                    for hearer in self._hearers.values():
                        await hearer.look()  # the first time for what was told while nobody listened
                    async with aclosing(connection.notifies(timeout=_LOOK_S)) as told:
                        async for notice in told:
                            self._hearers[notice.channel].hear(notice.payload)
