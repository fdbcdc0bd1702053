"""Removes what feedback holds of erased listeners and says so in their erasure: in a thread and on a connection of its
own. Whoever writes meanwhile is waited for, and nothing of theirs is written afterwards (`erased`)."""

import threading
from collections.abc import Sequence
from typing import Any, Final

from services.aggregator.erased import QUERIES
from services.aggregator.turns import repeat
from services.postgres import Pool, transaction

PAUSE_S: Final = 2.0
# Facts before tracks: a fact of a track that is gone would be rolled up as one that came too early.
_STEPS: Final = (
    "forget_letters", "forget_conflicts", "hold_facts", "forget_ratings", "forget_plays", "forget_votes",
    "forget_picks", "forget_failures", "forget_tracks", "forget_rollups", "forget_rating_sums", "forget_vote_rollups",
    "forget_archived_ratings", "forget_archived_plays", "forget_archived_votes", "forget_archived_picks",
    "forget_archived_failures", "forget_archived_tracks", "forget_events", "confirm",
)  # fmt: skip


class Eraser:
    """Several may run."""

    def __init__(self, pool: Pool, stop: threading.Event) -> None:
        self._pool = pool
        self._stop = stop

    def run(self) -> None:
        """Until `stop` is set."""
        repeat(self.turn, self._stop, PAUSE_S)

    def turn(self) -> int:
        """Erases every listener that is due, all of them at once; answers how many.

        Raises:
            BackendAway: the database cannot be reached; the rest is due again.
        """
        with transaction(self._pool) as connection:
            due = connection.execute(QUERIES["due"]).fetchall()
        if due:
            self._erase(due)
        with transaction(self._pool) as connection:
            connection.execute(QUERIES["confirm_archives"])
        return len(due)

    def _erase(self, due: Sequence[dict[str, Any]]) -> None:
        # Held for a moment alone: who began before has ended then, who begins now sees the erasure. What follows reads
        # every event there is, once for all who are due, and nobody else's feedback waits for that.
        with transaction(self._pool) as connection:
            connection.execute(QUERIES["lock"])
        with transaction(self._pool) as connection:
            connection.execute(QUERIES["hold_months"])
            gone = {"erasures": [row["erasure_id"] for row in due], "listeners": [row["listener_id"] for row in due]}
            for name in _STEPS:
                connection.execute(QUERIES[name], gone)
