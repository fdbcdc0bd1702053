"""How many requests were refused: without a valid token, without the right, or beyond what may be had. Counted here and
added to Postgres, where operators see those of all gateways; nothing of who asked is kept.

A gateway that is killed takes at most the last seconds of its own with it.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import structlog

from schemas.operating import RefusalsView
from services.errors import BackendAway
from services.gateway.store import Store
from services.postgres import load_queries

log = structlog.get_logger()

EVERY_S: Final = 5.0
COUNTED: Final = frozenset({401, 403, 429})


class Refusals:
    """Not added yet. Belongs to one event loop."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()

    def note(self, status: int, code: str | None) -> None:
        """A request was answered so; what is no refusal is not counted."""
        if status in COUNTED and code is not None:
            self.counts[status, code] += 1


class RefusalBook:
    """Where they are kept for a day. Raises BackendAway while Postgres is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = load_queries(Path(__file__).with_name("refusals.sql"))

    async def told(self) -> list[RefusalsView]:
        """Those of the last hour first."""
        return [RefusalsView.model_validate(row) for row in await self._store.rows(self._queries["told"], {})]

    async def add(self, refusals: Refusals) -> None:
        """Adds what was noted since the last time; what could not be added is noted again."""
        taken, refusals.counts = refusals.counts, Counter()
        if not taken:
            return
        statuses, codes = zip(*taken, strict=True)
        values = {"statuses": list(statuses), "codes": list(codes), "refused": list(taken.values())}
        try:
            await self._store.rows(self._queries["add"], values)
        except BackendAway:
            refusals.counts.update(taken)
            raise

    async def keep(self, refusals: Refusals) -> None:
        """Adds them again and again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.add(refusals)
            except BackendAway as error:
                log.warning("backend_away", backend=error.backend, reason=error.message)
