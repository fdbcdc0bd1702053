"""Keeps the cells that analysts read beside the roll-ups: in a thread and on a connection of its own, so that no batch
waits for it. A release is made anew as a whole, from one moment of the roll-ups, when it has changed, and after it what
all releases are together."""

import threading
from pathlib import Path
from typing import Final
from uuid import UUID

from services.aggregator import metrics
from services.aggregator.turns import repeat
from services.postgres import Pool, load_queries, transaction

PAUSE_S: Final = 0.5


class Keeper:
    """Several may run: a release is made by one at a time, and changes are taken away by whoever saw them."""

    def __init__(self, pool: Pool, stop: threading.Event) -> None:
        self._pool = pool
        self._stop = stop
        self._queries = load_queries(Path(__file__).with_name("keeper.sql"))

    def run(self) -> None:
        """Until `stop` is set."""
        repeat(self.turn, self._stop, PAUSE_S)

    def turn(self) -> int:
        """Makes the cells of every release that is due; answers how many.

        Raises:
            BackendAway: the database cannot be reached, or somebody else was quicker; the rest is due again.
        """
        with transaction(self._pool) as connection:
            due = [row["release_id"] for row in connection.execute(self._queries["due"]).fetchall()]
        return sum(self._make(release_id) for release_id in due if not self._stop.is_set())

    def _make(self, release_id: UUID) -> bool:
        named = {"release_id": release_id}
        with transaction(self._pool) as connection:
            connection.execute(self._queries["one_view"])
            lock = connection.execute(self._queries["alone"], named).fetchone()
            if lock is None or not lock["mine"]:
                return False
            for step in ("take_changes", "refresh", "pooled_changed"):
                connection.execute(self._queries[step], named)
            made = connection.execute(self._queries["note"], named).fetchone()
        if made is not None:
            metrics.CELL_SECONDS.observe(made["seconds"])
        return True
