"""Tells the board which tracks are finished, whichever gateway or statement finished them."""

from typing import Final
from uuid import UUID

from services.gateway.board import Board
from services.gateway.store import Store

CHANNEL: Final = "gateway_finished"


class Finished:
    """Hears of each track when it is ready or failed."""

    def __init__(self, store: Store, board: Board) -> None:
        self._store, self._board = store, board

    def hear(self, payload: str) -> None:
        self._board.finished(UUID(payload))

    async def look(self) -> None:
        """One statement for all tracks that are followed."""
        if followed := self._board.followed():
            for track_id in await self._store.finished(followed):
                self._board.finished(track_id)
