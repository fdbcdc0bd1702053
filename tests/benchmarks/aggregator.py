"""How many events a second the aggregator folds, end to end, and how that compares with a plain consumer that inserts
one event at a time. Both read the same messages from Kafka into Postgres.

    python -m tests.benchmarks.aggregator --kafka HOST:PORT --postgres DSN [--events 20000]

The DSN's user must be allowed to create databases; two are made and dropped, and one topic for each feedback family is
expected to exist. The plain consumer stores no aggregates, so the ratio flatters it. Seconds of the processor are those
of this process (its producer, its aggregator), of the broker while each of them worked, and of the aggregator's servers
in Postgres; both servers must run on this machine.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql

from schemas.topics import FEEDBACK, PARTITIONS
from services.aggregator.collecting import collect_seldom
from services.aggregator.main import Aggregator
from services.aggregator.store import Store
from services.kafka_access import servers
from services.migrate import migrate
from services.postgres import open_pool
from services.streams import Outgoing, Start, TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter
from services.telemetry import configure_logging
from tests.benchmarks.processor import listening_at, spent_seconds
from tests.services.aggregator.samples import message_of, stream

PLACES = [TopicPartition(topic, partition) for topic in FEEDBACK for partition in range(PARTITIONS)]
INSERT = """
insert into feedback.events (source, id, type, listener_id, time, data, topic, partition, "offset")
values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""
SERVERS = """
select pid from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"""


class Spent(NamedTuple):
    """Seconds of the processor since each process began."""

    here: float
    broker: float

    @classmethod
    def now(cls, broker: psutil.Process) -> "Spent":
        times = broker.cpu_times()
        return cls(time.process_time(), times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--plain-events", type=int, default=2_000)
    options = parser.parse_args()
    configure_logging("benchmark", "warning")
    starts = ends(options.kafka)
    messages = [message_of(event) for event in stream(options.events, seed=uuid4().int % 1_000_000)]
    broker = listening_at(servers(options.kafka))
    used = [Spent.now(broker)]
    _produce(options.kafka, messages)
    used.append(Spent.now(broker))
    with database(options.postgres) as dsn:
        used.append(Spent.now(broker))
        folded, server = _fold_all(options.kafka, dsn, starts, options.events)
        used.append(Spent.now(broker))
    with database(options.postgres) as dsn:
        plain = _insert_some(options.kafka, dsn, starts, options.plain_events)
    facts = {
        "events": options.events,
        "folded_per_s": round(folded),
        "plain_per_s": round(plain),
        **_each("producing", used[0], used[1], options.events),
        **_each("folding", used[2], used[3], options.events),
        "folding_server_us": round(1e6 * server / options.events),
        "load": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps(facts | {"ratio": round(folded / plain, 1)}) + "\n")


def _each(doing: str, before: Spent, after: Spent, events: int) -> dict[str, int]:
    """Microseconds an event."""
    here, broker = (1e6 * (late - early) / events for early, late in zip(before, after, strict=True))
    return {f"{doing}_here_us": round(here), f"{doing}_broker_us": round(broker)}


def _produce(bootstrap: str, messages: Sequence[Outgoing]) -> None:
    writer = KafkaWriter(bootstrap)
    for at in range(0, len(messages), 2000):
        writer.send_all(messages[at : at + 2000])
    writer.close()


def _fold_all(bootstrap: str, dsn: str, starts: dict[TopicPartition, int], count: int) -> tuple[float, float]:
    """Events a second, from the first message read to the last commit; processor seconds of Postgres' servers."""
    with open_pool(dsn, 2) as pool, psycopg.connect(dsn, autocommit=True) as eye:
        eye.cursor().executemany(
            "insert into feedback.offsets (topic, partition, next_offset) values (%s, %s, %s)",
            [(*place, offset) for place, offset in starts.items()],
        )
        stop = threading.Event()
        reader = KafkaReader(bootstrap, f"benchmark-{uuid4().hex}")
        collect_seldom()
        thread = threading.Thread(target=Aggregator(reader, Store(pool), 2000, stop).run)
        thread.start()
        before, started = 0, 0.0
        while (folded := _count(eye)) < count:
            if folded and not before:
                before, started = folded, time.perf_counter()
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        server = sum(spent_seconds(pid) for (pid,) in eye.execute(SERVERS).fetchall())
        stop.set()
        thread.join()
    return (count - before) / seconds, server


def _insert_some(bootstrap: str, dsn: str, starts: dict[TopicPartition, int], count: int) -> float:
    """Events a second of one insert and one commit an event."""
    reader = KafkaReader(bootstrap, f"benchmark-{uuid4().hex}")
    begin = {place: Start(offset) for place, offset in starts.items()}
    reader.subscribe(FEEDBACK, lambda _: begin, lambda _: None)
    done, started = 0, 0.0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while done < count:
            messages = reader.poll(500, 0.5)
            started = started or time.perf_counter()
            for message in messages:
                event = json.loads(message.value or b"{}")
                facts = [event[name] for name in ("source", "id", "type", "subject", "time")]
                place = (message.topic, message.partition, message.offset)
                connection.execute(INSERT, (*facts, json.dumps(event["data"]), *place))
            done += len(messages)
    seconds = time.perf_counter() - started
    reader.close()
    return done / seconds


def ends(bootstrap: str) -> dict[TopicPartition, int]:
    reader = KafkaReader(bootstrap, f"benchmark-{uuid4().hex}")
    reader.subscribe(FEEDBACK, lambda _: {}, lambda _: None)
    ends = reader.end_offsets(PLACES)
    reader.close()
    return ends


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from feedback.events").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def database(dsn: str) -> Iterator[str]:
    """The DSN of a fresh, migrated database on this server; it is dropped at the end."""
    name = f"benchmark_{uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        made = psycopg.conninfo.make_conninfo(dsn, dbname=name)
        migrate(made)
        yield made
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
