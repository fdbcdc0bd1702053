"""How many events a second go from a producer through Kafka into Postgres, minute after minute, and how fresh what can
be asked is at half of that; ours beside what is usually written, each in turn on the same machine and broker.

    python -m tests.benchmarks.sustained --kafka HOST:PORT --postgres DSN [--seconds 60] [--only WAY]

*Sustained*: a producer keeps `BACKLOG` events under way for so long; what was committed meanwhile is counted. *Fresh*:
half as many a second at even times; for each event, from before it is handed to the producer until a commit has it,
looked for every `LOOK_S`. The events are those of `tests.benchmarks.sink`. Each reader has a process of its own. Ours
folds them into plays, ratings and roll-ups; the others only store them, so ratios flatter them:

- *ours*: two aggregators, written to through librdkafka; then one of them, and one written to through kafka-python;
- *upsert of batches*: what is polled as one statement of many rows, `on conflict do update`: Kafka Connect's JDBC sink;
- *executemany*: a transaction a batch;
- *row by row*: one insert and one commit an event.

Seconds of the processor are those of the producer, of the reader, of the broker and of Postgres' servers, all of which
must run on this machine; each is given in microseconds an event. `waited` is how long reader and producer were ready to
run and had no processor, in seconds of each second: what other work on the machine took from them.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event as Flag
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4

import psutil
import psycopg

from schemas.topics import FEEDBACK
from services.aggregator.collecting import collect_seldom
from services.aggregator.main import Aggregator
from services.aggregator.store import Store
from services.kafka_access import servers
from services.postgres import open_pool
from services.streams import Message, Outgoing, Producer, Start, TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter
from services.streams_librdkafka import LibrdkafkaWriter
from services.telemetry import configure_logging
from tests.benchmarks.aggregator import INSERT, PLACES, database, ends
from tests.benchmarks.processor import listening_at, waited_seconds
from tests.benchmarks.sink import Tracks, made, realistic, row, some_tracks
from tests.services.aggregator.samples import message_of

BACKLOG: Final = 10_000
PORTION: Final = 500
BATCH: Final = 2_000
CEILING: Final = 24_000
"""So many events a second are made before anything is timed; who takes them all is timed until then."""
WARM_UP_S: Final = 10.0
"""Before anything is timed: a broker that has just started compiles itself, which costs more than the events do."""
TICK_S: Final = 0.02
LOOK_S: Final = 0.005
PATIENCE_S: Final = 120.0
OFFSETS: Final = "select topic, partition, next_offset from feedback.offsets"
UPSERT: Final = """
insert into feedback.events (source, id, type, listener_id, time, data, topic, partition, "offset")
select * from unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::timestamptz[], %s::jsonb[], %s::text[],
                     %s::int[], %s::bigint[])
on conflict (source, id) do update set data = excluded.data"""

Reached = Any  # a shared array: the next offset of each of PLACES


class Place(NamedTuple):
    """Where a reader reads and writes, and as a member of which group."""

    kafka: str
    dsn: str
    group: str


Reading = Callable[[Place, Mapping[TopicPartition, Start], Flag, Reached], None]


class Way(NamedTuple):
    """What reads, in how many processes, and what writes to Kafka."""

    reading: Reading
    readers: int = 1
    writer: Callable[[str], Producer] = LibrdkafkaWriter


def ours(place: Place, _: Mapping[TopicPartition, Start], stop: Flag, __: Reached) -> None:
    """The aggregator. How far it is stands in Postgres."""
    configure_logging("benchmark", "warning")
    collect_seldom()
    with open_pool(place.dsn, 2) as pool:
        stopping = cast("threading.Event", stop)
        Aggregator(KafkaReader(place.kafka, place.group), Store(pool), BATCH, stopping).run()


def upsert(place: Place, starts: Mapping[TopicPartition, Start], stop: Flag, reached: Reached) -> None:
    """What was polled in one statement."""

    def write(connection: psycopg.Connection, messages: Sequence[Message]) -> None:
        connection.execute(UPSERT, [list(column) for column in zip(*map(row, messages), strict=True)])

    _read(place, starts, stop, reached, write)


def executemany(place: Place, starts: Mapping[TopicPartition, Start], stop: Flag, reached: Reached) -> None:
    """A transaction a batch, a row a time."""

    def write(connection: psycopg.Connection, messages: Sequence[Message]) -> None:
        connection.cursor().executemany(INSERT, list(map(row, messages)))

    _read(place, starts, stop, reached, write)


def row_by_row(place: Place, starts: Mapping[TopicPartition, Start], stop: Flag, reached: Reached) -> None:
    """A transaction an event."""

    def write(connection: psycopg.Connection, messages: Sequence[Message]) -> None:
        for message in messages:
            connection.execute(INSERT, row(message))
            connection.commit()
            reached[PLACES.index(message.place)] = message.next_offset

    _read(place, starts, stop, reached, write)


WAYS: Final[Mapping[str, Way]] = {
    "ours": Way(ours, readers=2),
    "ours, one aggregator": Way(ours),
    "ours, one aggregator, by kafka-python": Way(ours, writer=KafkaWriter),
    "upsert of batches": Way(upsert),
    "executemany": Way(executemany),
    "row by row": Way(row_by_row),
}


def _read(
    place: Place,
    starts: Mapping[TopicPartition, Start],
    stop: Flag,
    reached: Reached,
    write: Callable[[psycopg.Connection, Sequence[Message]], None],
) -> None:
    collect_seldom()
    reader = KafkaReader(place.kafka, place.group)
    reader.subscribe(FEEDBACK, lambda _: starts, lambda _: None)
    with psycopg.connect(place.dsn) as connection:
        while not stop.is_set():
            if messages := reader.poll(BATCH, 0.5):
                write(connection, messages)
                connection.commit()
                for message in messages:
                    reached[PLACES.index(message.place)] = message.next_offset
    reader.close()


class Sent(NamedTuple):
    """Events that were handed to the producer at one moment, and where they are."""

    at: float
    offsets: Sequence[tuple[int, int]]
    """Index in PLACES, offset."""


class Run:
    """One way, reading in its processes, and what is sent to it."""

    def __init__(self, kafka: str, dsn: str, way: Way) -> None:
        context = multiprocessing.get_context("spawn")
        self._writer, self._stop = way.writer(kafka), context.Event()
        self._eye = psycopg.connect(dsn, autocommit=True) if way.reading is ours else None
        self.reached: Reached = context.Array("q", len(PLACES), lock=False)
        starts = ends(kafka)
        for index, place in enumerate(PLACES):
            self.reached[index] = starts[place]
        if self._eye is not None:
            self._eye.cursor().executemany(
                "insert into feedback.offsets (topic, partition, next_offset) values (%s, %s, %s)",
                [(*place, offset) for place, offset in starts.items()],
            )
        begin = {place: Start(offset) for place, offset in starts.items()}
        given = (Place(kafka, dsn, f"benchmark-{uuid4().hex}"), begin, self._stop, self.reached)
        self._processes = [context.Process(target=way.reading, args=given) for _ in range(way.readers)]
        for process in self._processes:
            process.start()
        self.readers = [psutil.Process(process.pid) for process in self._processes]

    def send(self, messages: Sequence[Outgoing]) -> Sent:
        """Returns when the broker has them."""
        at = time.perf_counter()
        receipts = self._writer.send_all(messages)
        places = [TopicPartition(receipt.topic, receipt.partition) for receipt in receipts]
        return Sent(at, [(PLACES.index(place), r.offset) for place, r in zip(places, receipts, strict=True)])

    def look(self) -> list[int]:
        """The next offset of each of PLACES, as committed now."""
        if self._eye is not None:
            for topic, partition, reached in self._eye.execute(OFFSETS):
                self.reached[PLACES.index(TopicPartition(topic, partition))] = reached
        return list(self.reached)

    def await_all(self, sent: Sequence[Sent]) -> None:
        """Until all of it is committed."""
        last = [0] * len(PLACES)
        for index, offset in (each for one in sent for each in one.offsets):
            last[index] = max(last[index], offset + 1)
        deadline = time.monotonic() + PATIENCE_S
        while any(now < wanted for now, wanted in zip(self.look(), last, strict=True)):
            if time.monotonic() > deadline:
                raise TimeoutError("what was sent was not read")
            time.sleep(LOOK_S)

    def close(self) -> None:
        self._stop.set()
        for process in self._processes:
            process.join()
        self._writer.close()
        if self._eye is not None:
            self._eye.close()


def sustained(run: Run, messages: Sequence[Outgoing], seconds: float) -> tuple[int, int, float]:
    """How many events were sent, and how many of them committed while a backlog was kept up for how many seconds;
    returns when all are."""
    begin = sum(run.look())
    sent, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds and sent < len(messages):
        if sent - (sum(run.look()) - begin) < BACKLOG:
            sent += len(run.send(messages[sent : sent + PORTION]).offsets)
        else:
            time.sleep(LOOK_S)
    committed = sum(run.look()) - begin
    while sum(run.look()) - begin < sent:
        time.sleep(LOOK_S)
    return sent, committed, passed


def freshness(run: Run, messages: Sequence[Outgoing], rate: float) -> dict[str, float]:
    """Milliseconds from before an event is handed over until a commit has it, at so many events a second."""
    waiting: list[deque[tuple[int, float]]] = [deque() for _ in PLACES]  # offset and moment, in order
    found: list[float] = []
    stop, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        while not stop.wait(LOOK_S):
            reached, now = run.look(), time.perf_counter()
            with lock:
                for index, own in enumerate(waiting):
                    while own and own[0][0] < reached[index]:
                        found.append(1000 * (now - own.popleft()[1]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started, sent, count = time.perf_counter(), [], 0
    while count < len(messages):
        time.sleep(TICK_S)
        due = round(rate * (time.perf_counter() - started)) - count
        one = run.send(messages[count : count + due])
        sent.append(one)
        count += len(one.offsets)
        with lock:
            for index, offset in one.offsets:
                waiting[index].append((offset, one.at))
    took = time.perf_counter() - started
    run.await_all(sent)
    while any(waiting):
        time.sleep(LOOK_S)
    stop.set()
    watcher.join()
    hundredths = statistics.quantiles(found, n=100)
    return {
        "fresh_at_per_s": round(len(found) / took),
        "fresh_p50_ms": round(hundredths[49]),
        "fresh_p99_ms": round(hundredths[98]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--peer-seconds", type=float, default=20)
    parser.add_argument("--only", choices=WAYS, action="append", metavar="WAY", help="this one; may be repeated")
    options = parser.parse_args()
    configure_logging("benchmark", "warning")
    broker = listening_at(servers(options.kafka))
    for name in options.only or WAYS:
        way = WAYS[name]
        seconds = options.seconds if way.reading is ours else options.peer_seconds
        with database(options.postgres) as dsn:
            facts = _measured(options.kafka, dsn, way, seconds, broker)
        sys.stdout.write(json.dumps({"way": name, **facts, "load": round(os.getloadavg()[0], 1)}) + "\n")
        sys.stdout.flush()


def _measured(kafka: str, dsn: str, way: Way, seconds: float, broker: psutil.Process) -> dict[str, object]:
    draw = random.Random(1)
    tracks = some_tracks(draw)
    warm_up = some_messages(round(CEILING * WARM_UP_S / 2), tracks, draw)
    messages = some_messages(round(CEILING * seconds), tracks, draw)
    run = Run(kafka, dsn, way)
    try:
        first = [message_of(event) for event in made(tracks)]
        collect_seldom()  # else Python walks through all these messages while it is timed
        run.await_all([run.send(first[at : at + PORTION]) for at in range(0, len(first), PORTION)])
        sustained(run, warm_up, WARM_UP_S)
        with _spent(dsn, run.readers, broker) as spent, _waited(run.readers) as waited:
            sent, committed, passed = sustained(run, messages, seconds)
        each = {f"{whose}_us": round(1e6 * used / sent) for whose, used in spent.items()}
        waits = {"waited": round(waited[0] / passed, 2)}
        half = committed / passed / 2
        again = some_messages(round(half * seconds), tracks, draw)
        collect_seldom()
        with _waited(run.readers) as waited:
            fresh = freshness(run, again, half)
        waits["fresh_waited"] = round(waited[0] / seconds, 2)
        return {"sustained_per_s": round(2 * half), "for_s": round(passed), **each, **fresh, **waits}
    finally:
        run.close()


def some_messages(count: int, tracks: Tracks, draw: random.Random) -> list[Outgoing]:
    """So many events as they are sent."""
    return [message_of(event) for event in realistic(count, tracks, draw)]


@contextmanager
def _spent(dsn: str, readers: Sequence[psutil.Process], broker: psutil.Process) -> Iterator[dict[str, float]]:
    """Seconds of the processor within the block, by whose."""

    def now() -> dict[str, float]:
        with psycopg.connect(dsn) as connection:
            servers = connection.execute(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            ).fetchall()
        postgres = [psutil.Process(pid) for (pid,) in servers]
        own = {"producer": time.process_time(), "reader": sum(map(_used, readers)), "broker": _used(broker)}
        return own | {"postgres": sum(map(_used, postgres))}

    spent: dict[str, float] = {}
    before = now()
    yield spent
    spent |= {whose: used - before[whose] for whose, used in now().items()}


@contextmanager
def _waited(readers: Sequence[psutil.Process]) -> Iterator[list[float]]:
    """Seconds within the block that threads of readers and of this process were ready and had no processor."""

    def now() -> float:
        return sum(waited_seconds(process.pid) for process in (psutil.Process(), *readers))

    found, before = [0.0], now()
    yield found
    found[0] = now() - before


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
