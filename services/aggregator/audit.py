"""`./encore audit`: by hour and type what gateways acknowledged, what Kafka holds and what became of it. The exit
status is 1 when it does not add up, 2 when Postgres or Kafka is away."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from schemas.topics import FEEDBACK
from services.aggregator.accounts import HOUR, Account, Slot, slot_of
from services.aggregator.books import Acknowledged, Books, Line, Log, Report, Standing, audited
from services.aggregator.gaps import Gap
from services.errors import BackendAway
from services.postgres import PATIENT, Pool, load_queries, open_pool, transaction
from services.settings import Settings, read
from services.streams import Consumer, Message, PositionLost, Start, TopicPartition
from services.streams_kafka import KafkaReader

DAY: Final = timedelta(days=1)
SKEW: Final = timedelta(minutes=10)
"""Records lie in the log by arrival and carry their gateway's clock; such clocks agree within this."""
_BATCH: Final = 5_000


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    settings = read(Settings)
    since, until = _window(chosen.hour, datetime.now(UTC))
    try:
        with open_pool(settings.postgres_dsn, limits=PATIENT) as pool:
            report = audit(pool, lambda: KafkaReader(settings.kafka_bootstrap, f"audit-{uuid4().hex}"), since, until)
    except (BackendAway, PositionLost) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    sys.stdout.write(_as_json(report) if chosen.json else _as_text(report))
    raise SystemExit(1 if report.faults else 0)


def audit(pool: Pool, reader_of: Callable[[], Consumer], since: datetime, until: datetime) -> Report:
    """Of the hours from `since` to before `until`.

    Args:
        reader_of: makes a consumer in a group of its own.

    Raises:
        BackendAway: Postgres or Kafka is away.
        PositionLost: retention took something while it was read.
    """
    books = _books(pool, since, until)
    return audited(books, _log(reader_of, books, since, until))


def _books(pool: Pool, since: datetime, until: datetime) -> Books:
    queries = load_queries(Path(__file__).with_name("audit.sql"))
    window = {"since": since, "until": until}
    with transaction(pool) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        rows = connection.execute(queries["accounts"], window).fetchall()
        partitions = connection.execute(queries["partitions"]).fetchall()
        gaps = connection.execute(queries["gaps"], window).fetchall()
        [unfinished] = connection.execute(queries["unfinished"], window).fetchall()
    acknowledged, accounts = {}, {}
    for row in rows:
        slot = Slot(row["topic"], row["partition"], row["hour"], row["type"])
        accounts[slot] = Account(*(row[name] for name in Account._fields))
        if row["acknowledged"]:
            acknowledged[slot] = Acknowledged(row["acknowledged"], row["last_offset"], bool(row["counted"]))
    standings = {
        TopicPartition(row["topic"], row["partition"]): Standing(*(row[name] for name in Standing._fields))
        for row in partitions
    }
    found = [
        Gap(TopicPartition(row["topic"], row["partition"]), row["first_offset"], row["next_offset"], row["reason"])
        for row in gaps
    ]
    return Books(acknowledged, accounts, standings, found, unfinished["writers"])


def _log(reader_of: Callable[[], Consumer], books: Books, since: datetime, until: datetime) -> Log:
    """Messages of these hours, counted: of what was passed those near the hours, of what waits all."""
    eye = reader_of()
    eye.subscribe(FEEDBACK, lambda _: {}, lambda _: None)
    places = eye.partitions(FEEDBACK)
    extents = eye.extents(places)
    first = eye.offsets_at(places, _ms(since - SKEW))
    last = eye.offsets_at(places, _ms(until + SKEW))
    eye.close()
    reached = {place: books.standings[place].next_offset if place in books.standings else 0 for place in places}
    reached = {place: min(max(offset, extents[place].begin), extents[place].end) for place, offset in reached.items()}
    near = {place: (first[place], min(last[place], reached[place])) for place in places}
    rest = {place: (reached[place], extents[place].end) for place in places}
    passed = Counter(_slots(reader_of(), near, since, until))
    return Log(extents, passed, Counter(_slots(reader_of(), rest, since, until)))


def _slots(
    reader: Consumer, ranges: Mapping[TopicPartition, tuple[int, int]], since: datetime, until: datetime
) -> Iterator[Slot]:
    for message in messages(reader, ranges):
        slot = slot_of(message)
        if since <= slot.hour < until:
            yield slot


def messages(reader: Consumer, ranges: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[Message]:
    """What a log holds from the first to before the second offset of each range; the reader is closed at the end."""
    left = {place: end for place, (start, end) in ranges.items() if start < end}
    reader.subscribe(
        sorted({place.topic for place in ranges}),
        lambda places: {place: Start(ranges[place][0]) for place in places if place in ranges},
        lambda _: None,
    )
    while left:
        for message in reader.poll(_BATCH, 1.0):
            if message.place in left and message.offset < left[message.place]:
                yield message
            if message.place in left and message.next_offset >= left[message.place]:
                del left[message.place]
    reader.close()


def _window(hour: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """That hour, or the last day with the hour that is running."""
    if hour is not None:
        return hour, hour + HOUR
    until = now.replace(minute=0, second=0, microsecond=0) + HOUR
    return until - DAY, until


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore audit", description=__doc__)
    parser.add_argument(
        "--hour", type=_hour, metavar="HOUR", help="one hour, such as 2026-11-27T22 (UTC); default: the last 24"
    )
    parser.add_argument("--json", action="store_true", help="the same for a program")
    return parser


def _hour(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no hour such as 2026-11-27T22") from error


def _as_text(report: Report) -> str:
    titles = ("hour (UTC)", "type", *(name.replace("_", " ") for name in Line._fields[2:]))
    rows = [(f"{line.hour:%Y-%m-%dT%H}", line.type, *(str(number) for number in line[2:])) for line in report.lines]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (titles, *rows)]
    verdict = f"{len(report.faults)} faults: it does not add up." if report.faults else "It adds up."
    return "\n".join([*table, "", *report.faults, *report.notes, verdict]) + "\n"


def _as_json(report: Report) -> str:
    facts = {
        "lines": [line._asdict() for line in report.lines],
        "faults": list(report.faults),
        "notes": list(report.notes),
        "adds_up": not report.faults,
    }
    return json.dumps(facts, default=lambda value: value.isoformat()) + "\n"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


if __name__ == "__main__":
    main()
