"""`./encore replay`: folds everything once more, the archived months and then the log from its beginning.

Into the database that it was folded into before, nothing changes: an event that had been missing is folded now, and
said so. Into an empty one (`--into`), every table must come out as it is; that one may then take over.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from uuid import uuid4

from psycopg import Connection
from psycopg.rows import DictRow

from schemas.blobs import Store as Blobs
from schemas.topics import FEEDBACK
from services.aggregator.archive import ArchiveSettings, expired, parts
from services.aggregator.archive_files import Part, opened
from services.aggregator.audit import messages
from services.aggregator.batch import Batch, DeadLetter, halves, sort_out
from services.aggregator.columns import columns
from services.aggregator.log_keys import LogKeys
from services.aggregator.months import month_of
from services.aggregator.store import Store, Unstorable
from services.errors import BackendAway
from services.migrate import ChangedMigration, migrate
from services.postgres import PATIENT, Pool, load_queries, open_pool, transaction
from services.settings import read
from services.streams import Consumer, PositionLost, TopicPartition
from services.streams_kafka import KafkaReader

_BATCH: Final = 2_000
_REST: Final = (
    "The gateway's own tables are not replayed. Restore the schema gateway there, then run ./encore rollups rebuild: "
    "roll-ups of votes follow from the gateway's pairs and were not compared."
)
_QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))

Item = TypeVar("Item")
Digests = Mapping[str, tuple[int, str]]
"""Rows and digest of each table that has any."""


class NotEmptyError(ValueError):
    """The database to replay into has feedback already."""


class ForgottenError(ValueError):
    """Some events are in no file and in no table any more."""


class Moment(NamedTuple):
    """How far everything had been folded, which messages were set aside and not folded since, what the tables said, and
    months whose files are gone."""

    positions: Mapping[TopicPartition, int]
    letters: Mapping[tuple[TopicPartition, int], str]
    parts: Sequence[Part]
    digests: Digests
    gone: Sequence[date] = ()


@dataclass
class Outcome:
    """`new` events had not been in the database; `skipped` messages are of months that it has archived, `erased` ones
    of listeners whose key was thrown away. `plain` is the offset after the last message that was not sealed."""

    read: int = 0
    new: int = 0
    dead: int = 0
    skipped: int = 0
    erased: int = 0
    plain: dict[TopicPartition, int] = field(default_factory=dict)


def moment(pool: Pool) -> Moment:
    """All of it in one snapshot.

    Raises:
        BackendAway: the database cannot be reached.
    """
    with transaction(pool) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        rows = connection.execute(_QUERIES["positions"]).fetchall()
        letters = connection.execute(_QUERIES["unfolded"]).fetchall()
        archived = parts(connection)
        said = _digests(connection, archived)
        gone = expired(connection)
    positions = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    aside = {(TopicPartition(row["topic"], row["partition"]), row["offset"]): row["reason"] for row in letters}
    return Moment(positions, aside, archived, said, gone)


def digests(pool: Pool, archived: Sequence[Part]) -> Digests:
    """What the tables say, but for the events of these months.

    Raises:
        BackendAway: the database cannot be reached.
    """
    with transaction(pool) as connection:
        return _digests(connection, archived)


def again(pool: Pool, reader_of: Callable[[], Consumer], then: Moment) -> Outcome:
    """The log once more into the database that it was folded into.

    Raises:
        BackendAway, PositionLost: Postgres or Kafka is away; whatever was folded so far is whole.
    """
    outcome, store = Outcome(), Store(pool)
    _replay_log(store, pool, store.keys, reader_of, then, {part.month for part in then.parts}, outcome)
    return outcome


def anew(pool: Pool, keys: LogKeys, blobs: Blobs | None, reader_of: Callable[[], Consumer], then: Moment) -> Outcome:
    """Archived months and the log into an empty database, which can take over afterwards.

    Args:
        keys: of the database that there is.

    Raises:
        NotEmptyError: it has feedback.
        ForgottenError: the term of some months' files is over.
        BackendAway, PositionLost, OSError: something is away; make the database anew and begin again.
        ValueError: a file is not what was stored.
    """
    if then.gone:
        listed = ", ".join(f"{month:%Y-%m}" for month in then.gone)
        message = f"The files of {listed} are kept no longer, so the events are not enough. Restore a backup instead."
        raise ForgottenError(message)
    store, outcome = Store(pool), Outcome()
    with transaction(pool) as connection:
        row = connection.execute(_QUERIES["empty"]).fetchone()
    if not (row and row["empty"]):
        raise NotEmptyError("The database to replay into has feedback already.")
    for part in then.parts:
        assert blobs is not None
        for rows in _portions(opened(blobs, part)):
            with transaction(pool) as connection:
                outcome.new += store.restore(connection, rows)
            outcome.read += len(rows)
    extents = _replay_log(store, pool, keys, reader_of, then, frozenset(), outcome)
    known = [
        (*place, offset, extents.get(place, ""), outcome.plain.get(place, 0))
        for place, offset in sorted(then.positions.items())
    ]
    with transaction(pool) as connection:
        connection.execute(_QUERIES["take_over"], columns(known, "topics", "partitions", "offsets", "ids", "plain"))
    return outcome


def _replay_log(
    store: Store,
    pool: Pool,
    keys: LogKeys,
    reader_of: Callable[[], Consumer],
    then: Moment,
    archived: AbstractSet[date],
    outcome: Outcome,
) -> dict[TopicPartition, str]:
    """Answers the identity of each partition's topic."""
    eye = reader_of()
    eye.subscribe(FEEDBACK, lambda _: {}, lambda _: None)
    extents = eye.extents(sorted(then.positions))
    eye.close()
    ranges = {place: (extents[place].begin, min(end, extents[place].end)) for place, end in then.positions.items()}
    for portion in _portions(messages(reader_of(), ranges)):
        outcome.read += len(portion)
        batch = _set_aside(sort_out(portion, keys.of(portion)), then)
        outcome.erased += len(batch.erased)
        outcome.plain |= batch.plain
        wanted = [arrival for arrival in batch.arrivals if month_of(arrival.event.id) not in archived]
        outcome.skipped += len(batch.arrivals) - len(wanted)
        outcome.dead += len(batch.dead)
        outcome.new += _fold(store, pool, Batch(wanted, batch.dead, {}))
    return {place: extent.topic_id for place, extent in extents.items()}


def _set_aside(batch: Batch, then: Moment) -> Batch:
    """What was set aside and not folded since stays so, also where it could be read now."""
    kept, aside = [], list(batch.dead)
    for arrival in batch.arrivals:
        reason = then.letters.get((arrival.message.place, arrival.message.offset))
        if reason is None:
            kept.append(arrival)
        else:
            aside.append(DeadLetter(arrival.message, reason))
    return replace(batch, arrivals=kept, dead=aside)


def _fold(store: Store, pool: Pool, batch: Batch) -> int:
    """How many events were new. As when they were first read, one that cannot be stored is set aside alone."""
    try:
        with transaction(pool) as connection:
            store.bury(connection, batch.dead)
            return len(store.refold(connection, batch.arrivals).kept)
    except Unstorable as error:
        read_of = [arrival.message for arrival in batch.arrivals]
        if len(read_of) == 1:
            return _fold(store, pool, batch.buried(f"cannot be stored: {error}"))
        return sum(_fold(store, pool, _also(sort_out(half), batch)) for half in halves(read_of))


def _also(half: Batch, whole: Batch) -> Batch:
    return Batch(half.arrivals, whole.dead, {})


def _portions(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while portion := list(islice(left, _BATCH)):
        yield portion


def _digests(connection: Connection[DictRow], archived: Sequence[Part]) -> Digests:
    rows = connection.execute(_QUERIES["digests"], {"months": [part.month for part in archived]}).fetchall()
    return {row["name"]: (row["rows"], row["digest"]) for row in rows}


class ReplaySettings(ArchiveSettings):
    """Where the log and the archived months are."""

    store_url: str = ""


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    settings = read(ReplaySettings)

    def reader_of() -> Consumer:
        return KafkaReader(settings.kafka_bootstrap, f"replay-{uuid4().hex}")

    try:
        with open_pool(settings.postgres_dsn, limits=PATIENT) as pool:
            then = moment(pool)
            if chosen.into is None:
                text, well = _told(again(pool, reader_of, then)), True
            else:
                migrate(chosen.into)
                blobs = Blobs(settings.store_url) if settings.store_url else None
                with open_pool(chosen.into, limits=PATIENT) as other:
                    outcome = anew(other, LogKeys(pool), blobs, reader_of, then)
                    text, well = compared(then.digests, digests(other, then.parts))
                    read_of = f"{outcome.read} events and messages were read, {outcome.erased} of erased listeners."
                    text = f"{read_of}\n{text}\n{_REST}"
    except (BackendAway, PositionLost, ChangedMigration, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    sys.stdout.write(text + "\n")
    raise SystemExit(0 if well else 1)


def compared(before: Digests, after: Digests) -> tuple[str, bool]:
    """A line for each table, and whether all are the same."""
    lines, same = [], True
    for name in sorted({*before, *after}):
        old, new = before.get(name, (0, "")), after.get(name, (0, ""))
        lines.append(f"{name}: {new[0]} rows, " + ("the same" if old == new else f"other than the {old[0]} there are"))
        same = same and old == new
    return "\n".join([*lines, "Identical." if same else "Not identical."]), same


def _told(outcome: Outcome) -> str:
    found = f"{outcome.new} were missing and are folded now" if outcome.new else "nothing has changed"
    aside = f"{outcome.skipped} of archived months, {outcome.erased} of erased listeners"
    return f"{outcome.read} messages were read, {aside}: {found}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore replay", description=__doc__.split("\n\n")[0])
    parser.add_argument("--into", metavar="DSN", help="an empty database, to be compared with the present one")
    return parser


if __name__ == "__main__":
    main()
