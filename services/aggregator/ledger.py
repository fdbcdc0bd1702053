"""The table of events, `feedback.events`: one row for each identity, and in it the copy that counts.

Almost every event is new and is only inserted. Where a row has to give way to another copy, what it had been folded
into is folded anew from the events that are left, so that the aggregates are always the fold of this table.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from services.aggregator.columns import columns
from services.aggregator.copies import Copy, Identity, Key, best, copies, key_of, stored_event, stored_rank
from services.aggregator.fold import Event
from services.aggregator.months import months_of, usual
from services.aggregator.reading import Arrival, as_text
from services.postgres import Queries

_INCOMING = (
    "source", "id", "type", "listener_id", "time", "data", "topic", "partition", "offset", "received_at", "sha256",
)  # fmt: skip
_INCOMING_TYPES = (
    "text", "uuid", "text", "uuid", "timestamptz", "jsonb", "text", "int4", "int8", "timestamptz", "bytea",
)  # fmt: skip

Kind = Literal["content", "listener"]


class Conflict(NamedTuple):
    """One of several things that were said under one identity; or, without content, one of several listeners' events
    under one id, which all count."""

    source: str
    id: UUID
    listener_id: UUID
    kind: Kind
    sha256: bytes = b""
    type: str = ""
    data: str = "null"


@dataclass(frozen=True)
class Entered:
    """`kept` are the events that were new; `again` is all there is to fold for the rows that were taken away;
    `conflicts` counts those that had not been recorded before, by kind."""

    kept: Sequence[Arrival]
    again: Sequence[Event]
    conflicts: dict[Kind, int]


class Ledger:
    """Works within the caller's transaction."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._months: set[date] = set()

    def enter(self, connection: Connection[DictRow], arrivals: Sequence[Arrival]) -> Entered:
        """Store what counts of these events, beside what is stored. Until the transaction ends nobody else folds
        events of their listeners."""
        groups: dict[Identity, list[Copy]] = defaultdict(list)
        for copy in copies(arrivals):
            groups[copy.identity].append(copy)
        if not groups:
            return Entered([], [], {})
        chosen = [best(group) if len(group) > 1 else group[0] for group in groups.values()]
        self._prepare(connection, (copy.identity.id for copy in chosen))
        known = self._insert(connection, chosen)
        conflicts = [conflict for group in groups.values() if len(group) > 1 for conflict in _within(group)]
        stale: list[Key] = []
        if known:
            stale, found = self._settle(connection, {copy.identity: copy for copy in chosen})
            conflicts += found
        conflicts += self._of_others(connection)
        self._take_turns(connection, (copy.arrival.message.partition for copy in chosen))
        kept = [copy.arrival for copy in chosen if copy.identity not in known] if known else [c.arrival for c in chosen]
        return Entered(kept, self._events_about(connection, stale), self._record(connection, conflicts))

    def restore(self, connection: Connection[DictRow], rows: Sequence[Mapping[str, Any]]) -> list[Event]:
        """Put rows of this table back as they were; answers the events of those that were not there. Until the
        transaction ends nobody else folds events of their listeners."""
        self._prepare(connection, (row["id"] for row in rows))
        connection.execute(self._queries["make_incoming"])
        with connection.cursor() as cursor:
            with cursor.copy(self._queries["copy_incoming"]) as copied:
                copied.set_types(_INCOMING_TYPES)
                for row in rows:
                    copied.write_row([Jsonb(row[name]) if name == "data" else row[name] for name in _INCOMING])
            known = {Identity(**row) for row in cursor.execute(self._queries["keep_new"]).fetchall()}
        connection.execute(self._queries["forget_incoming"])
        self._take_turns(connection, (row["partition"] for row in rows))
        return [stored_event(dict(row)) for row in rows if Identity(row["source"], row["id"]) not in known]

    def _prepare(self, connection: Connection[DictRow], ids: Iterable[UUID]) -> None:
        """Make the partitions that events with these ids lie in."""
        today = datetime.now(UTC).date()
        wanted = {month for month in months_of(ids) if usual(month, today)} - self._months
        if not wanted:
            return
        rows = connection.execute(self._queries["known_months"], {"months": sorted(wanted)}).fetchall()
        self._months |= {row["month"] for row in rows}
        # Those that are made here are known once this transaction is: the next batch finds them.
        if wanted - self._months:
            connection.execute(self._queries["add_months"], {"months": sorted(wanted - self._months)})

    def _insert(self, connection: Connection[DictRow], chosen: Sequence[Copy]) -> set[Identity]:
        """Answers those that were stored before."""
        connection.execute(self._queries["make_incoming"])
        with connection.cursor() as cursor:
            with cursor.copy(self._queries["copy_incoming"]) as rows:
                rows.set_types(_INCOMING_TYPES)
                for (message, event, data), identity, rank in chosen:
                    said = (event.type, event.subject, rank.time, Jsonb(data, dumps=str))
                    rows.write_row((*identity, *said, *message[:3], rank.received_at, rank.sha256))
            return {Identity(**row) for row in cursor.execute(self._queries["keep_new"]).fetchall()}

    def _settle(
        self, connection: Connection[DictRow], chosen: dict[Identity, Copy]
    ) -> tuple[list[Key], list[Conflict]]:
        """Against copies that were stored before: the rows to fold anew, and the contradictions."""
        stale: list[Key] = []
        conflicts: list[Conflict] = []
        replaced: list[Identity] = []
        for row in connection.execute(self._queries["contested"]).fetchall():
            identity, rank = Identity(row["source"], row["id"]), stored_rank(row)
            copy = chosen[identity]
            if rank.sha256 != copy.rank.sha256:
                conflicts += [_of_row(row), _of_copy(copy)]
            if copy.rank < rank:
                stale += [key_of(stored_event(row)), copy.key]
                replaced.append(identity)
        if replaced:
            connection.execute(self._queries["replace"], columns(replaced, "sources", "ids"))
        return stale, conflicts

    def _take_turns(self, connection: Connection[DictRow], partitions: Iterable[int]) -> None:
        """After all that waits for other writers' events, before the first row of what events are folded into. All
        events of a listener lie in partitions of one number, so two who write the same rows have a number in common."""
        connection.execute(self._queries["take_turns"], {"partitions": sorted(set(partitions))})

    def _of_others(self, connection: Connection[DictRow]) -> list[Conflict]:
        """Ids that several listeners used: all of their events count, each for its own."""
        rows = connection.execute(self._queries["same_id_elsewhere"]).fetchall()
        return [Conflict(row["source"], row["id"], row["listener_id"], "listener") for row in rows]

    def _events_about(self, connection: Connection[DictRow], stale: Iterable[Key]) -> list[Event]:
        """Takes away what the events of these keys had been folded into, and answers the events that count now."""
        keys = sorted(set(stale))
        if not keys:
            return []
        names = columns(keys, "listeners", "abouts")
        connection.execute(self._queries["hold_facts"])
        # First this, which waits for other writers of the rows: only then all of their events are to be seen.
        connection.execute(self._queries["take_away"], names)
        for table in ("tracks", "failures", "plays", "ratings", "votes", "picks"):
            connection.execute(self._queries[f"bring_back_{table}"], names)
        rows = connection.execute(self._queries["events_about"], names).fetchall()
        return [stored_event(row) for row in rows]

    def _record(self, connection: Connection[DictRow], conflicts: Sequence[Conflict]) -> dict[Kind, int]:
        if not conflicts:
            return {}
        rows = connection.execute(
            self._queries["add_conflicts"],
            columns(sorted(set(conflicts)), "sources", "ids", "listeners", "kinds", "digests", "types", "datas"),
        ).fetchall()
        return {row["kind"]: row["recorded"] for row in rows}


def _within(group: Sequence[Copy]) -> list[Conflict]:
    """The contradictions among messages of one batch."""
    contents = {copy.rank.sha256: copy for copy in sorted(group, key=lambda copy: copy.rank, reverse=True)}
    return [_of_copy(copy) for copy in contents.values()] if len(contents) > 1 else []


def _of_copy(copy: Copy) -> Conflict:
    event = copy.event
    return Conflict(*copy.identity, event.subject, "content", copy.rank.sha256, event.type, copy.arrival.data)


def _of_row(row: DictRow) -> Conflict:
    sha256, data = stored_rank(row).sha256, as_text(row["data"])
    return Conflict(row["source"], row["id"], row["listener_id"], "content", sha256, row["type"], data)
