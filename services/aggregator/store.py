"""The aggregator's rows in Postgres. A batch is one transaction: events, aggregates, dead letters and stored offsets
change together or not at all, so a batch that was interrupted anywhere is simply written again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow

from services.aggregator.accounts import Account, Slot, accounts, kind_of, moment_of
from services.aggregator.batch import Batch, DeadLetter
from services.aggregator.columns import columns
from services.aggregator.erased import erased, named
from services.aggregator.fold import Aggregates, fold
from services.aggregator.gaps import Gap, Stored, holes, resumed
from services.aggregator.ledger import Entered, Kind, Ledger
from services.aggregator.log_keys import LogKeys
from services.aggregator.reading import Arrival
from services.aggregator.tables import Tables
from services.postgres import Pool, load_queries, transaction
from services.streams import Extent, Start, TopicPartition


class OwnershipLost(Exception):
    """A stored offset is not where this consumer left it: the partition has another owner now, or the outcome of this
    consumer's last commit was not what it saw. Nothing was written; reading starts over from the stored offsets."""


class Unstorable(Exception):
    """Postgres refuses some value in the batch, and would refuse it again."""


_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.OperationalError, UnicodeError, OverflowError)


class Unaccounted(NamedTuple):
    """`lost` events were acknowledged in the last two days and passed without a trace; `uncounted` offsets were moved
    without a message that was read."""

    lost: int
    uncounted: int


@dataclass(frozen=True)
class Written:
    """What one transaction did: `kept` are the events that were new, `conflicts` counts the contradictions by kind."""

    kept: Sequence[Arrival]
    duplicates: int
    dead: Sequence[DeadLetter]
    conflicts: Mapping[Kind, int]
    gaps: Sequence[Gap] = ()


class Store:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).with_name("queries.sql"))
        self._ledger = Ledger(self._queries)
        self._tables = Tables("feedback")
        self.keys = LogKeys(pool)

    def resume(self, extents: Mapping[TopicPartition, Extent]) -> tuple[dict[TopicPartition, Start], list[Gap]]:
        """Where reading goes on in the logs as they are now, and what is missing before that, which is written down.
        A partition that was never read starts at 0.

        Raises:
            BackendAway: the database cannot be reached, or another owner still has a batch in hand.
        """
        wanted = columns(sorted(extents), "topics", "partitions")
        with transaction(self._pool) as connection:
            connection.execute(self._queries["add_offsets"], wanted)
            rows = connection.execute(self._queries["offsets"], wanted).fetchall()
            starts, gaps = {}, []
            for row in rows:
                place = TopicPartition(row["topic"], row["partition"])
                stored = Stored(row["next_offset"], row["topic_id"], row["leader_epoch"])
                starts[place], gap = resumed(place, stored, extents[place])
                gaps += [gap] if gap else []
            known = [(*place, start.offset, extents[place].topic_id, start.epoch) for place, start in starts.items()]
            self._execute(connection, "set_offsets", known, "topics", "partitions", "offsets", "ids", "epochs")
            self._note_gaps(connection, gaps)
        return starts, gaps

    def unaccounted(self) -> dict[str, Unaccounted]:
        """By topic, what does not add up.

        Raises:
            BackendAway: the database cannot be reached.
        """
        with transaction(self._pool) as connection:
            rows = connection.execute(self._queries["unaccounted"]).fetchall()
        return {row["topic"]: Unaccounted(row["lost"], row["uncounted"]) for row in rows}

    def write(self, batch: Batch, expected: Mapping[TopicPartition, int]) -> Written:
        """Apply a batch; `expected` are the stored offsets as this consumer left them. Offsets that are missing before
        or between its messages are written down as gaps.

        Raises:
            OwnershipLost: one of them is elsewhere.
            Unstorable: a value cannot be stored.
            BackendAway: the database cannot be reached; whether the batch was applied is then not known.
        """
        try:
            with transaction(self._pool) as connection:
                gaps = self._advance(connection, batch, expected)
                self.bury(connection, batch.dead)
                entered = self._fold(connection, batch.arrivals)
                self.account(connection, accounts(batch, entered.kept).items())
        except _REFUSALS as error:
            raise Unstorable(str(error).strip().splitlines()[0]) from error
        duplicates = len(batch.arrivals) - len(entered.kept)
        return Written(entered.kept, duplicates, batch.dead, entered.conflicts, gaps)

    def refold(self, connection: Connection[DictRow], arrivals: Sequence[Arrival]) -> Entered:
        """Fold events that are not being read from the log now, within the caller's transaction.

        Raises:
            Unstorable: a value cannot be stored; nothing of these is.
        """
        try:
            with connection.transaction():
                return self._fold(connection, arrivals)
        except _REFUSALS as error:
            raise Unstorable(str(error).strip().splitlines()[0]) from error

    def account(self, connection: Connection[DictRow], counts: Iterable[tuple[Slot, Account]]) -> None:
        """Add to what is counted, within the caller's transaction."""
        rows = [(*slot, *account) for slot, account in counts]
        names = ("topics", "partitions", "hours", "types", "folded", "repeated", "dead", "erased")
        self._execute(connection, "add_accounts", rows, *names)

    def _fold(self, connection: Connection[DictRow], arrivals: Sequence[Arrival]) -> Entered:
        gone = erased(connection, (arrival.event.subject for arrival in arrivals))
        entered = self._ledger.enter(connection, [each for each in arrivals if each.event.subject not in gone])
        self._merge(connection, fold([*(arrival.event for arrival in entered.kept), *entered.again]))
        return entered

    def _merge(self, connection: Connection[DictRow], state: Aggregates) -> None:
        if state.tracks:
            connection.execute(self._queries["hold_facts_of_known"], {"tracks": list(state.tracks)})
        self._tables.merge(connection, state)

    def _advance(
        self, connection: Connection[DictRow], batch: Batch, expected: Mapping[TopicPartition, int]
    ) -> list[Gap]:
        """First of all: it finds a zombie before any work, and its row locks make two owners take turns."""
        runs = {run[0].place: run for run in batch.runs}
        first = {place: run[0].offset for place, run in runs.items()}
        if any(first[place] < expected[place] for place in first):
            raise OwnershipLost("the batch begins before the stored offset")
        moves = [
            (*place, expected[place], reached, runs[place][-1].epoch, len(runs[place]), batch.plain.get(place, 0))
            for place, reached in sorted(batch.reached.items())
        ]
        names = ("topics", "partitions", "expected", "reached", "epochs", "messages", "plain")
        moved = connection.execute(self._queries["advance_offsets"], columns(moves, *names)).rowcount
        if moved != len(moves):
            raise OwnershipLost(f"{len(moves) - moved} of {len(moves)} partitions have another owner")
        before = [Gap(place, expected[place], at, "skipped") for place, at in first.items() if at > expected[place]]
        gaps = [*before, *(gap for run in runs.values() for gap in holes(run))]
        self._note_gaps(connection, gaps)
        return gaps

    def _note_gaps(self, connection: Connection[DictRow], gaps: Sequence[Gap]) -> None:
        rows = [(*gap.place, gap.first, gap.next, gap.reason) for gap in gaps]
        self._execute(connection, "add_gaps", rows, "topics", "partitions", "first", "next", "reasons")

    def restore(self, connection: Connection[DictRow], rows: Sequence[Mapping[str, Any]]) -> int:
        """Put rows of `feedback.events` back as they were and fold them; answers how many were new."""
        gone = erased(connection, (row["listener_id"] for row in rows))
        kept = self._ledger.restore(connection, [row for row in rows if row["listener_id"] not in gone])
        self._merge(connection, fold(kept))
        return len(kept)

    def bury(self, connection: Connection[DictRow], dead: Sequence[DeadLetter]) -> None:
        """Set these aside, within the caller's transaction; what lies there already stays, and of erased listeners
        nothing is kept."""
        gone = erased(connection, filter(None, (named(message.key) for message, _ in dead)))
        rows = [
            (*message.place, message.offset, message.key, message.value, reason, moment_of(message.timestamp_ms),
             kind_of(message.value))
            for message, reason in dead if named(message.key) not in gone
        ]  # fmt: skip
        names = ("topics", "partitions", "offsets", "keys", "values", "reasons", "times", "types")
        self._execute(connection, "add_dead_letters", rows, *names)

    def _execute(
        self, connection: Connection[DictRow], name: str, rows: Sequence[tuple[Any, ...]], *names: str
    ) -> None:
        if rows:
            connection.execute(self._queries[name], columns(rows, *names))
