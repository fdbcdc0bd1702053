"""Each listener's key of the log, made when it is first needed, and the sealing of what goes there."""

import secrets
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from services.gateway.store import Store
from services.postgres import load_queries
from services.recent import Recent
from services.seals import KEY_BYTES, MOST_AGE_S, LogKey, Sealed, seal
from services.streams import Outgoing

_REMEMBERED: Final = 50_000


class LogKeys:
    """Remembers keys for a while. What is sealed with one that was thrown away meanwhile can be read by nobody.

    `store` is the gateway's own.
    """

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._recent: Recent[UUID, LogKey] = Recent(_REMEMBERED, MOST_AGE_S, now)
        self._queries = load_queries(Path(__file__).with_suffix(".sql"))

    async def of(self, listeners: Iterable[UUID]) -> dict[UUID, LogKey]:
        """By listener; without those who are not there, or not any more. One question for all where none is new.

        Raises:
            BackendAway: Postgres is away.
        """
        wanted = set(listeners)
        found = self._recent.among(wanted)
        asked = await self._held(wanted - found.keys())
        missing = sorted(wanted - found.keys() - asked.keys())
        if missing:
            made = {"logs": [uuid4() for _ in missing], "keys": [secrets.token_bytes(KEY_BYTES) for _ in missing]}
            await self._store.rows(self._queries["make"], {"listeners": missing, **made})
            asked |= await self._held(missing)
        self._recent.add(asked)
        return found | asked

    async def sealed(self, messages: Iterable[Outgoing]) -> list[Sealed]:
        """Each with the key of its listener; of who is erased nothing is told any more.

        Raises:
            BackendAway: Postgres is away.
        """
        whose = [(UUID(message.key.decode()), message) for message in messages]
        keys = await self.of(listener_id for listener_id, _ in whose)
        return [seal(message, keys[listener_id]) for listener_id, message in whose if listener_id in keys]

    async def _held(self, listeners: Collection[UUID]) -> dict[UUID, LogKey]:
        if not listeners:
            return {}
        rows = await self._store.rows(self._queries["held"], {"listeners": list(listeners)})
        return {row["listener_id"]: LogKey(row["listener_id"], row["log"], row["key"]) for row in rows}
