"""The keys with which the log is opened."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from uuid import UUID

from services.postgres import Pool, load_queries, transaction
from services.recent import Recent
from services.seals import MOST_AGE_S, Keys, LogKey, log_of
from services.streams import Message

_REMEMBERED: Final = 50_000


class LogKeys:
    """Remembers keys for a while; several threads may ask. One that was thrown away meanwhile may still open a record,
    of which nothing is kept: whoever folds it asks who was erased."""

    def __init__(self, pool: Pool, now: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._asking = threading.Lock()
        self._recent: Recent[UUID, LogKey | None] = Recent(_REMEMBERED, MOST_AGE_S, now)
        self._query = load_queries(Path(__file__).with_suffix(".sql"))["keys"]

    def of(self, messages: Iterable[Message]) -> Keys:
        """Those of these messages' logs: one question for all, and none where they are remembered.

        Raises:
            BackendAway: the database cannot be reached.
        """
        logs = {log for message in messages if (log := log_of(message))}
        with self._asking:
            found = self._recent.among(logs)
            missing = logs - found.keys()
            if missing:
                asked = self._ask(missing)
                self._recent.add(asked)
                found |= asked
        return found

    def _ask(self, logs: Iterable[UUID]) -> dict[UUID, LogKey | None]:
        with transaction(self._pool) as connection:
            rows = connection.execute(self._query, {"logs": sorted(logs)}).fetchall()
        return {row["log"]: LogKey(row["listener_id"], row["log"], row["key"]) if row["key"] else None for row in rows}
