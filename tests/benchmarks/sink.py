"""How many events a second the aggregator's sink takes, beside what is usually written: one insert an event, and
`executemany` of a batch. No Kafka: the same messages are handed to each.

    python -m tests.benchmarks.sink --postgres DSN [--events 20000] [--before 0]

Realistic events: 85 % heartbeats, 15 % ratings, by 2,000 listeners on 20,000 tracks. Ours folds them into plays,
ratings and roll-ups and keeps the books; the others only store the events, so the ratio flatters them. Ours twice: of
sealed records, as the gateway writes them, and of the same in the open, as the others get them. The DSN's user
must be allowed to create databases; one is made for each way, and dropped. Seconds of the processor are those of this
process, and on Linux, where the server runs here, those of the server's process for this one (`server_us_an_event`):
their sum says how many events a second one core takes when nothing else runs.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from schemas.events import Heard, Playback, PlayEvent, Rating, RatingEvent, TrackMade, TrackMadeEvent
from services.aggregator.accounts import kind_of
from services.aggregator.batch import sort_out
from services.aggregator.collecting import collect_seldom
from services.aggregator.fold import Event
from services.aggregator.store import Store
from services.identifiers import uuid7
from services.postgres import open_pool
from services.seals import LogKey
from services.streams import Extent, Message, Outgoing, TopicPartition
from tests.benchmarks.aggregator import INSERT, database
from tests.benchmarks.processor import spent_seconds
from tests.services.aggregator.samples import message_of
from tests.services.logs import known, sealed

BATCH = 2_000
Tracks = Sequence[tuple[UUID, UUID]]
"""Each with its listener."""
Way = Callable[[str, Sequence[Message]], float]
"""Answers the seconds of the processor that the server spent."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--before", type=int, default=0, help="events that are in the tables already, with the tracks")
    options = parser.parse_args()
    draw = random.Random(1)
    tracks = some_tracks(draw)
    first = [*made(tracks), *realistic(options.before, tracks, draw)]
    every = _numbered([*first, *realistic(options.events, tracks, draw)])
    before, then = every[: len(first)], every[len(first) :]
    ways: dict[str, Way] = {
        "ours": ours,
        "ours, in the open": ours,
        "executemany": executemany,
        "row by row": row_by_row,
    }
    for name, way in ways.items():
        some = then if name != "row by row" else then[: len(then) // 10]
        with database(options.postgres) as dsn:
            if way is ours or options.before:
                ours(dsn, before)
            if name == "ours":
                some = _sealed(some, known(dsn, {listener for _, listener in tracks}))
            collect_seldom()
            began, used = time.perf_counter(), time.process_time()
            server = way(dsn, some)
            seconds, processor = time.perf_counter() - began, time.process_time() - used
        facts = {
            "way": name,
            "events_per_s": round(len(some) / seconds),
            "processor_us_an_event": round(1e6 * processor / len(some)),
            "server_us_an_event": round(1e6 * server / len(some)),
            "a_core_per_s": round(len(some) / (processor + server)),
            "load": round(os.getloadavg()[0], 1),
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def ours(dsn: str, messages: Sequence[Message]) -> float:
    """As the aggregator does: one transaction a batch."""
    with open_pool(dsn) as pool:
        store = Store(pool)
        everything = {message.place: Extent("a", 0, 1 << 40) for message in messages}
        reached = {place: start.offset for place, start in store.resume(everything)[0].items()}
        with pool.connection() as connection:  # the only one
            server = connection.info.backend_pid
        before = spent_seconds(server)
        for at in range(0, len(messages), BATCH):
            portion = messages[at : at + BATCH]
            batch = sort_out(portion, store.keys.of(portion))
            store.write(batch, reached)
            reached |= batch.reached
        return spent_seconds(server) - before


def executemany(dsn: str, messages: Sequence[Message]) -> float:
    """Parsed as JSON and stored, a transaction a batch."""
    with psycopg.connect(dsn) as connection:
        for at in range(0, len(messages), BATCH):
            connection.cursor().executemany(INSERT, list(map(row, messages[at : at + BATCH])))
            connection.commit()
        return spent_seconds(connection.info.backend_pid)


def row_by_row(dsn: str, messages: Sequence[Message]) -> float:
    """One insert and one commit an event."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for message in messages:
            connection.execute(INSERT, row(message))
        return spent_seconds(connection.info.backend_pid)


def row(message: Message) -> tuple[object, ...]:
    event = json.loads(message.value or b"{}")
    facts = [event[name] for name in ("source", "id", "type", "subject", "time")]
    return (*facts, json.dumps(event["data"]), message.topic, message.partition, message.offset)


def some_tracks(draw: random.Random) -> Tracks:
    listeners = [uuid4() for _ in range(2_000)]
    return [(uuid4(), draw.choice(listeners)) for _ in range(20_000)]


def made(tracks: Tracks) -> Iterator[TrackMadeEvent]:
    now = datetime.now(UTC)
    for track, listener in tracks:
        data = TrackMade(
            track_id=track,
            arm="champion",
            propensity=0.25,
            prompt="a reel",
            seconds=180,
            features_url="",
            sha256="0" * 64,
        )
        yield TrackMadeEvent(id=uuid7(), source="encore/gateway", subject=listener, time=now, data=data)


def realistic(count: int, tracks: Tracks, draw: random.Random) -> Iterator[PlayEvent | RatingEvent]:
    now = datetime.now(UTC)
    for _ in range(count):
        track, listener = draw.choice(tracks)
        source = f"listeners/{listener}/web"
        if draw.random() < 0.15:
            rated = Rating(track_id=track, stars=draw.randint(1, 5))
            yield RatingEvent(id=uuid7(), source=source, subject=listener, time=now, receivedat=now, data=rated)
            continue
        at = draw.randrange(170_000)
        heard = Heard(from_ms=at, to_ms=at + 10_000)
        data = Playback(play_id=uuid4(), track_id=track, position_ms=at + 10_000, heard=heard)
        kind = "encore.play.heartbeat"
        yield PlayEvent(id=uuid7(), source=source, subject=listener, time=now, receivedat=now, type=kind, data=data)


def _sealed(messages: Sequence[Message], keys: dict[UUID, LogKey]) -> list[Message]:
    found = []
    for message in messages:
        said = Outgoing(message.topic, message.key or b"", message.value or b"", kind_of(message.value))
        [record] = sealed([said], keys)
        found.append(message._replace(key=record.key, value=record.value))
    return found


def _numbered(events: Sequence[Event]) -> list[Message]:
    """As they would lie in six partitions of each topic, now."""
    next_offset: dict[TopicPartition, int] = {}
    messages, now = [], int(time.time() * 1000)
    for event in events:
        topic, key, value, _ = message_of(event)
        place = TopicPartition(topic, event.subject.int % 6)
        offset = next_offset.get(place, 0)
        next_offset[place] = offset + 1
        messages.append(Message(*place, offset, key, value, now))
    return messages


if __name__ == "__main__":
    main()
