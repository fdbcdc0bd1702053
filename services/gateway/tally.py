"""Counts what Kafka acknowledged, by partition, hour of the record's time and type, and adds it to Postgres.

A count is added after the acknowledgement, so it is never too high; a gateway that is killed takes at most the last two
seconds of its own with it. Each addition has a number, so one whose answer was lost is repeated without effect.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from services.errors import BackendAway
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import load_queries
from services.streams import Outgoing, Receipt

log = structlog.get_logger()

EVERY_S: Final = 2.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS: Final = 3_600_000


class Slot(NamedTuple):
    topic: str
    partition: int
    hour: datetime
    type: str


@dataclass(slots=True)
class Tally:
    """How many, and which offsets they span."""

    events: int = 0
    first: int = 0
    last: int = 0

    def add(self, offset: int) -> None:
        self.first = min(self.first, offset) if self.events else offset
        self.last = max(self.last, offset)
        self.events += 1


@dataclass
class Tallies:
    """Not added yet. Belongs to one event loop."""

    slots: dict[Slot, Tally] = field(default_factory=dict)

    def note(self, messages: Sequence[Outgoing], receipts: Sequence[Receipt]) -> None:
        """These messages were acknowledged."""
        for message, receipt in zip(messages, receipts, strict=True):
            hour = _EPOCH + timedelta(hours=receipt.timestamp_ms // _HOUR_MS)
            slot = Slot(receipt.topic, receipt.partition, hour, message.kind)
            self.slots.setdefault(slot, Tally()).add(receipt.offset)

    def take(self) -> dict[Slot, Tally]:
        """All of them; they are counted from 0 again."""
        taken, self.slots = self.slots, {}
        return taken


class Bookkeeper:
    """Adds the tallies of this process, every two seconds and at the end."""

    def __init__(self, store: Store, tallies: Tallies) -> None:
        self._store, self._tallies = store, tallies
        self._query = load_queries(Path(__file__).with_name("tally.sql"))["add"]
        self._writer: UUID = uuid7()
        self._number = 1
        self._in_hand: dict[Slot, Tally] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.add()
            except BackendAway as error:
                log.warning("backend_away", backend=error.backend, reason=error.message)

    async def aclose(self) -> None:
        """Adds what is left; while Postgres is away it is lost, which the writer's row without an end tells."""
        try:
            await self.add()
            await self.add(closing=True)
        except BackendAway as error:
            log.warning("tallies_lost", reason=error.message)

    async def add(self, *, closing: bool = False) -> None:
        """Add what was noted since the last time, or, after a failure, the same as then.

        Raises:
            BackendAway: it is not known whether it was added.
        """
        self._in_hand = self._in_hand or self._tallies.take()
        if not self._in_hand and not closing:
            return
        rows = [(*slot, tally.events, tally.first, tally.last) for slot, tally in sorted(self._in_hand.items())]
        names = ("topics", "partitions", "hours", "types", "events", "first", "last")
        arrays = {name: [row[index] for row in rows] for index, name in enumerate(names)}
        await self._store.rows(
            self._query, {"writer": self._writer, "number": self._number, "closing": closing, **arrays}
        )
        self._number += 1
        self._in_hand = {}
