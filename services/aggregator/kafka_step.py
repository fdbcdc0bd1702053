"""Says in an erasure when nothing of the listener can be read in the log any more.

Their key went with the erasure itself. What is waited for: that no process remembers it, and that no record from before
records were sealed is left which may be theirs, since those name their listeners in the open.
"""

import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from schemas.topics import FEEDBACK
from services.aggregator.turns import repeat
from services.postgres import Pool, load_queries, transaction
from services.seals import MOST_AGE_S
from services.streams import Consumer, Extent, TopicPartition

PAUSE_S: Final = 5.0
AGE_S: Final = 2 * MOST_AGE_S
"""From when an erasure is asked for until its key is remembered by nobody; its own transaction takes a while too."""


class Standing(NamedTuple):
    """Every record from `sealed_from` to `sealed_to` is sealed; what is before it was passed at `plain_at`."""

    sealed_from: int
    sealed_to: int
    plain_at: datetime


class KafkaStep:
    """Owns `reader`, which is only asked what the log holds and never joins a group. Several may run."""

    def __init__(self, pool: Pool, reader: Consumer, stop: threading.Event, age_s: float = AGE_S) -> None:
        self._pool, self._reader, self._stop, self._age_s = pool, reader, stop, age_s
        self._queries = load_queries(Path(__file__).with_suffix(".sql"))
        self._ends: dict[UUID, dict[TopicPartition, int]] = {}
        reader.subscribe(FEEDBACK, lambda _: {}, lambda _: None)

    def run(self) -> None:
        """Until the process stops."""
        repeat(self.turn, self._stop, PAUSE_S)
        self._reader.close()

    def turn(self) -> None:
        """Confirms what can be confirmed, and says of the rest what it waits for.

        Raises:
            BackendAway: Postgres or Kafka is away; all is due again.
        """
        with transaction(self._pool) as connection:
            rows = connection.execute(self._queries["due"], {"age": self._age_s}).fetchall()
        due: dict[UUID, datetime | None] = {row["erasure_id"]: row["made_at"] for row in rows}
        self._ends = {erasure: ends for erasure, ends in self._ends.items() if erasure in due}
        if not due:
            return
        extents = self._reader.extents(self._reader.partitions(FEEDBACK))
        ends = {place: extent.end for place, extent in extents.items()}
        with transaction(self._pool) as connection:
            found = connection.execute(self._queries["standings"]).fetchall()
            standings = {
                TopicPartition(row["topic"], row["partition"]): Standing(*(row[name] for name in Standing._fields))
                for row in found
            }
            for erasure, made_at in due.items():
                waits_for = hindrance(self._ends.setdefault(erasure, ends), extents, standings, made_at)
                name = "wait" if waits_for else "confirm"
                connection.execute(self._queries[name], {"erasure_id": erasure, "waits_for": waits_for})


def hindrance(
    ends: Mapping[TopicPartition, int],
    extents: Mapping[TopicPartition, Extent],
    standings: Mapping[TopicPartition, Standing],
    made_at: datetime | None,
) -> str:
    """What has to happen before nothing that lay in the log then and may be the listener's is in the open; empty where
    nothing is.

    Args:
        ends: of the log when the key was known to be gone.
        extents: of the log now.
        standings: how far it was read, by partition.
        made_at: when the listener was made, by the clock of `plain_at`: what was passed earlier is not theirs. None if
            nobody knows.
    """
    plain: list[datetime] = []
    unread = 0
    for place, extent in extents.items():
        begin, end = extent.begin, min(extent.end, ends.get(place, 0))
        known = standings.get(place)
        if begin >= end:
            continue  # what lay there is gone
        if known is None or known.sealed_to < end:
            unread += 1
        elif known.sealed_from > begin and (made_at is None or made_at <= known.plain_at):
            plain.append(known.plain_at)
    if plain:
        return (
            f"records from before {max(plain):%Y-%m-%dT%H:%MZ} are not sealed in {len(plain)} partitions: until their "
            "topics' retention is over for them, or somebody removes them (docs/operator.md)"
        )
    return f"{unread} partitions of the log are still to be read" if unread else ""
