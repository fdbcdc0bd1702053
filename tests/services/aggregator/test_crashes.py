"""The real process on real Kafka and Postgres, killed again and again while events arrive."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.topics import PLAYS
from services.streams import Outgoing
from services.streams_kafka import KafkaWriter
from tests.contracts.streams import until
from tests.services.aggregator.log import require_equal
from tests.services.aggregator.rows import dead_letters, event_count
from tests.services.aggregator.samples import message_of, stream
from tests.threads import ended

ROOT = Path(__file__).parents[3]
Process = subprocess.Popen[bytes]
KILLS = 4


@pytest.fixture
def start(postgres_dsn: str, kafka_bootstrap: str, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts aggregators; all are gone at the end."""
    environment = os.environ | {
        "ENCORE_POSTGRES_DSN": postgres_dsn,
        "ENCORE_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "ENCORE_METRICS_PORT": "0",
        "ENCORE_AGGREGATOR_BATCH": "40",
        "ENCORE_AGGREGATOR_SESSION_S": "6",
    }
    started: list[Process] = []
    with (tmp_path / "log").open("wb") as output:

        def launch() -> Process:
            command = [sys.executable, "-m", "services.aggregator.main"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output))
            return started[-1]

        yield launch
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def writer(kafka_bootstrap: str) -> Iterator[KafkaWriter]:
    writer = KafkaWriter(kafka_bootstrap)
    yield writer
    writer.close()


def produce(writer: KafkaWriter, messages: Sequence[Outgoing]) -> None:
    """In small portions, as listeners do."""
    for at in range(0, len(messages), 100):
        writer.send_all(messages[at : at + 100])


def test_killed_again_and_again_each_event_counts_once(
    start: Callable[[], Process], writer: KafkaWriter, postgres_dsn: str, kafka_bootstrap: str
) -> None:
    draw, poison = random.Random(31), f"poison {uuid4()}".encode()
    events = stream(3000, seed=30)
    sent = [message_of(event) for event in [*events, *draw.choices(events, k=1500)]]
    draw.shuffle(sent)
    sent.insert(2000, Outgoing(PLAYS, b"key", poison))
    share = len(sent) // KILLS
    for kill in range(KILLS):
        folded_before = event_count(postgres_dsn)
        process = start()
        # Of its own share, so that there is something to fold however fast the earlier ones were.
        portion = sent[kill * share : (kill + 1) * share]
        producing = threading.Thread(target=produce, args=(writer, portion), daemon=True)
        producing.start()
        # Killed in the midst of its batches, a little later each time.
        until(lambda: event_count(postgres_dsn) > folded_before + 40 * kill)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.wait()
        ended(producing)
    produce(writer, sent[KILLS * share :])
    last = start()
    require_equal(kafka_bootstrap, postgres_dsn)
    assert [value for _, value, _ in dead_letters(postgres_dsn).values()].count(poison) == 1
    last.send_signal(signal.SIGTERM)
    assert last.wait(timeout=60) == 0


def test_two_processes_share_and_one_is_killed(
    start: Callable[[], Process], writer: KafkaWriter, postgres_dsn: str, kafka_bootstrap: str
) -> None:
    first = start()
    writer.send_all([message_of(event) for event in stream(500, seed=32)])
    until(lambda: event_count(postgres_dsn) > 0)
    start()
    for seed in range(33, 43):
        writer.send_all([message_of(event) for event in stream(100, seed=seed)])
    first.send_signal(signal.SIGKILL)
    writer.send_all([message_of(event) for event in stream(100, seed=43)])
    require_equal(kafka_bootstrap, postgres_dsn)
