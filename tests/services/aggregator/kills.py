"""Aggregators killed again and again while events, repeats and poison arrive; then the tables are held against the log,
by the aggregator's own rules, by a checker that shares no line with it, and by the audit.

    python -m tests.services.aggregator.kills [--kills 200] [--members 5] [--seed 1]

It starts servers of its own.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg

from schemas.topics import PLAYS
from services.aggregator.audit import audit
from services.aggregator.replay import again, moment
from services.postgres import open_pool
from services.streams import Outgoing
from services.streams_kafka import KafkaReader, KafkaWriter
from tests.contracts.streams import until
from tests.services.aggregator.checker import differences
from tests.services.aggregator.log import require_equal, whole_log
from tests.services.aggregator.samples import LISTENERS, message_of, stream
from tests.services.logs import known, readable, sealed
from tests.stacks import start, temporary_home
from tests.threads import ended

ROOT = Path(__file__).parents[3]
Process = subprocess.Popen[bytes]
PORTION = 150


@contextmanager
def launcher(dsn: str, bootstrap: str, folder: Path) -> Iterator[Callable[[], Process]]:
    """Starts aggregators; all are gone at the end."""
    environment = os.environ | {
        "ENCORE_POSTGRES_DSN": dsn,
        "ENCORE_KAFKA_BOOTSTRAP": bootstrap,
        "ENCORE_METRICS_PORT": "0",
        "ENCORE_AGGREGATOR_BATCH": "40",
        "ENCORE_AGGREGATOR_SESSION_S": "6",
    }
    started: list[Process] = []
    with (folder / "log").open("wb") as output:

        def launch() -> Process:
            command = [sys.executable, "-m", "services.aggregator.main"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output))
            return started[-1]

        yield launch
        for process in started:
            process.kill()
            process.wait()


def killed(launch: Callable[[], Process], writer: KafkaWriter, dsn: str, kills: int, members: int, seed: int) -> None:
    """So many aggregators, some at a time, each killed after something was folded of what was sent for its turn: sealed
    records, and every second turn those of before."""
    draw, sent, done, keys = random.Random(seed), list[Outgoing](), 0, known(dsn, LISTENERS)
    while done < kills:
        running = [launch() for _ in range(min(members, kills - done))]
        fresh = [message_of(event) for event in stream(PORTION * len(running), seed=1000 * seed + done)]
        fresh = [*sealed(fresh, keys)] if done % (2 * members) == 0 else fresh
        portion = [*fresh, *draw.choices(sent or fresh, k=PORTION), Outgoing(PLAYS, b"key", b"poison")]
        draw.shuffle(portion)
        sent += fresh
        target = _read(dsn) + len(portion)
        producing = threading.Thread(target=produce, args=(writer, portion), daemon=True)
        producing.start()
        for process in draw.sample(running, len(running)):
            before = _read(dsn)
            step = draw.randrange(1, PORTION)
            until(lambda: _read(dsn) >= min(target, before + step))  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait()
        ended(producing)
        done += len(running)


def require_clean(bootstrap: str, dsn: str) -> None:
    """Nothing is lost, nothing doubled, it adds up, and folding all of it once more changes nothing."""
    require_equal(bootstrap, dsn)
    assert differences(readable(whole_log(bootstrap), dsn), dsn) == []
    since = datetime.now(UTC) - timedelta(days=2)
    with open_pool(dsn) as pool:
        report = audit(pool, lambda: KafkaReader(bootstrap, f"audit-{uuid4().hex}"), since, since + timedelta(days=3))
        assert list(report.faults) == []
        assert again(pool, lambda: KafkaReader(bootstrap, f"replay-{uuid4().hex}"), moment(pool)).new == 0


def produce(writer: KafkaWriter, messages: Sequence[Outgoing]) -> None:
    """In small portions, as listeners do."""
    for at in range(0, len(messages), 100):
        writer.send_all(messages[at : at + 100])


def _read(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select coalesce(sum(next_offset), 0) from feedback.offsets").fetchone()
        return int(row[0]) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--members", type=int, default=5, help="aggregators at a time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with temporary_home() as home, tempfile.TemporaryDirectory() as folder:
        stack = start(home, "postgres", "kafka", "schema", "topics")
        writer, began = KafkaWriter(stack.kafka_bootstrap), time.monotonic()
        with launcher(stack.postgres_dsn, stack.kafka_bootstrap, Path(folder)) as launch:
            killed(launch, writer, stack.postgres_dsn, options.kills, options.members, options.seed)
            launch()
            require_clean(stack.kafka_bootstrap, stack.postgres_dsn)
        writer.close()
        messages = len(whole_log(stack.kafka_bootstrap))
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{options.kills} kills, {messages} messages, {seconds:.0f} s: 0 lost, 0 doubled, the audit is clean\n"
    )


if __name__ == "__main__":
    main()
