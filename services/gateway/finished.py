"""Tells the board which tracks are finished, whichever gateway or statement finished them: one connection of a gateway
listens to PostgreSQL's notifications (LISTEN and NOTIFY), whoever and how many follow."""

import asyncio
from contextlib import aclosing
from typing import Final
from uuid import UUID

import structlog

from services.errors import BackendAway
from services.gateway.board import Board
from services.gateway.store import Store
from services.postgres import AsyncPool, reaching

log = structlog.get_logger()

_LOOK_S: Final = 30.0  # a notification that is lost delays its news by so much
_AGAIN_S: Final = 2.0


class Finished:
    """Runs within the gateway's event loop; `run` until cancelled."""

    def __init__(self, pool: AsyncPool, store: Store, board: Board) -> None:
        """`pool` is for listening alone: its one connection is kept."""
        self._pool, self._store, self._board = pool, store, board

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
                await connection.execute("listen gateway_finished")
                while True:
                    await self._look()  # the first time for what was told while nobody listened
                    async with aclosing(connection.notifies(timeout=_LOOK_S)) as told:
                        async for notice in told:
                            self._board.finished(UUID(notice.payload))

    async def _look(self) -> None:
        """One statement for all tracks that are followed."""
        if followed := self._board.followed():
            for track_id in await self._store.finished(followed):
                self._board.finished(track_id)
