"""The real process on real Kafka and Postgres, killed again and again while events arrive."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.streams_kafka import KafkaWriter
from tests.contracts.streams import until
from tests.services.aggregator.kills import Process, killed, launcher, require_clean
from tests.services.aggregator.rows import event_count
from tests.services.aggregator.samples import message_of, stream

KILLS, MEMBERS = 20, 5
"""`python -m tests.services.aggregator.kills` does 200."""


@pytest.fixture
def launch(postgres_dsn: str, kafka_bootstrap: str, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    with launcher(postgres_dsn, kafka_bootstrap, tmp_path) as launch:
        yield launch


@pytest.fixture
def writer(kafka_bootstrap: str) -> Iterator[KafkaWriter]:
    writer = KafkaWriter(kafka_bootstrap)
    yield writer
    writer.close()


def test_killed_again_and_again_each_event_counts_once_and_the_audit_is_clean(
    launch: Callable[[], Process], writer: KafkaWriter, postgres_dsn: str, kafka_bootstrap: str
) -> None:
    killed(launch, writer, postgres_dsn, KILLS, MEMBERS, seed=31)
    last = launch()
    require_clean(kafka_bootstrap, postgres_dsn)
    last.send_signal(signal.SIGTERM)
    assert last.wait(timeout=300) == 0


def test_two_processes_share_and_one_is_killed(
    launch: Callable[[], Process], writer: KafkaWriter, postgres_dsn: str, kafka_bootstrap: str
) -> None:
    first = launch()
    writer.send_all([message_of(event) for event in stream(500, seed=32)])
    until(lambda: event_count(postgres_dsn) > 0)
    launch()
    for seed in range(33, 43):
        writer.send_all([message_of(event) for event in stream(100, seed=seed)])
    first.send_signal(signal.SIGKILL)
    writer.send_all([message_of(event) for event in stream(100, seed=43)])
    require_clean(kafka_bootstrap, postgres_dsn)
