"""The step of the log confirms when nothing of a listener can be read there any more, and says what it waits for."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from schemas.topics import FEEDBACK, PARTITIONS
from services.aggregator.kafka_step import KafkaStep
from services.aggregator.main import GROUP
from services.aggregator.store import Store
from services.grants import AGGREGATOR
from services.postgres import Pool, open_pool
from services.seals import LogKey
from services.streams_memory import MemoryBroker
from tests.services.aggregator.samples import LISTENERS, message_of, stream
from tests.services.aggregator.test_main import drain, running
from tests.services.logs import known, sealed
from tests.services.roles import play

Keys = dict[UUID, LogKey]


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process may not do is refused here too."""
    play(monkeypatch, AGGREGATOR)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS))


@pytest.fixture
def keys(postgres_dsn: str) -> Keys:
    return known(postgres_dsn, LISTENERS)


@pytest.fixture
def step(pool: Pool, broker: MemoryBroker) -> KafkaStep:
    return KafkaStep(pool, broker.consumer("step"), threading.Event())


def begin(dsn: str, listener_id: UUID, seconds_ago: int = 121, made_at: datetime | None = None) -> None:
    """The erasure of this listener, as the gateway began it."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at, asked_at)"
            " values (%(id)s, gateway.tombstone(%(id)s), %(id)s, 'a-product', 'operator', now(),"
            " now() - make_interval(secs => %(ago)s))",
            {"id": listener_id, "ago": seconds_ago},
        )
        connection.execute(
            "insert into gateway.erasure_steps (erasure_id, store, made_at) values (%s, 'kafka', %s)",
            (listener_id, made_at),
        )
        connection.execute("delete from gateway.log_keys where listener_id = %s", (listener_id,))


def said(dsn: str) -> list[tuple[Any, ...]]:
    """Whether it confirmed, and what it waits for."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("select confirmed_at is not null, waits_for from gateway.erasure_steps").fetchall()


def fold_all(broker: MemoryBroker, pool: Pool, dsn: str) -> None:
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, dsn)


def test_where_all_is_sealed_it_confirms_once_no_process_remembers_the_key(
    broker: MemoryBroker, pool: Pool, keys: Keys, step: KafkaStep, postgres_dsn: str
) -> None:
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=95)], keys))
    fold_all(broker, pool, postgres_dsn)
    begin(postgres_dsn, LISTENERS[0], seconds_ago=0)
    step.turn()
    assert said(postgres_dsn) == [(False, None)]
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("update gateway.erasures set asked_at = now() - interval '121 seconds'")
    step.turn()
    assert said(postgres_dsn) == [(True, None)]


def test_what_is_not_read_yet_may_be_in_the_open(
    broker: MemoryBroker, pool: Pool, keys: Keys, step: KafkaStep, postgres_dsn: str
) -> None:
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=96)], keys))
    begin(postgres_dsn, LISTENERS[0])
    step.turn()
    [(confirmed, waits_for)] = said(postgres_dsn)
    assert not confirmed
    assert "still to be read" in waits_for
    fold_all(broker, pool, postgres_dsn)
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=97)], keys))
    step.turn()  # what came afterwards is not waited for
    assert said(postgres_dsn) == [(True, None)]


def test_records_of_before_hold_it_until_the_log_has_forgotten_them(
    broker: MemoryBroker, pool: Pool, keys: Keys, step: KafkaStep, postgres_dsn: str
) -> None:
    broker.producer().send_all([message_of(event) for event in stream(60, seed=98)])
    plain = {place: len(log) for place, log in broker.logs.items() if log}
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=99)], keys))
    fold_all(broker, pool, postgres_dsn)
    begin(postgres_dsn, LISTENERS[0])
    step.turn()
    [(confirmed, waits_for)] = said(postgres_dsn)
    assert not confirmed
    assert f"are not sealed in {len(plain)} partitions" in waits_for
    last = max(plain)
    for place, end in plain.items():
        broker.forget(place, end if place != last else end - 1)
    step.turn()
    assert "in 1 partitions" in said(postgres_dsn)[0][1]
    broker.forget(last, plain[last])
    step.turn()
    assert said(postgres_dsn) == [(True, None)]


def now_at(dsn: str) -> datetime:
    """By the database's clock."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def test_who_was_made_after_records_of_before_does_not_wait_for_them(
    broker: MemoryBroker, pool: Pool, keys: Keys, step: KafkaStep, postgres_dsn: str
) -> None:
    before = now_at(postgres_dsn)
    broker.producer().send_all([message_of(event) for event in stream(60, seed=102)])
    fold_all(broker, pool, postgres_dsn)
    after = now_at(postgres_dsn)
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=103)], keys))
    fold_all(broker, pool, postgres_dsn)
    begin(postgres_dsn, LISTENERS[0], made_at=before)
    begin(postgres_dsn, LISTENERS[1], made_at=after)
    begin(postgres_dsn, LISTENERS[2])  # as a gateway of before began it
    step.turn()
    with psycopg.connect(postgres_dsn) as connection:
        query = "select erasure_id, confirmed_at is not null, made_at from gateway.erasure_steps"
        found = {row[0]: row[1:] for row in connection.execute(query)}
    assert found == {LISTENERS[0]: (False, before), LISTENERS[1]: (True, None), LISTENERS[2]: (False, None)}


def test_a_record_in_the_open_that_comes_later_holds_those_who_were_there(
    broker: MemoryBroker, pool: Pool, step: KafkaStep, postgres_dsn: str
) -> None:
    """As by a gateway of before that was still running."""
    broker.producer().send_all([message_of(event) for event in stream(60, seed=104)])
    fold_all(broker, pool, postgres_dsn)
    made_at = now_at(postgres_dsn)
    broker.producer().send_all([message_of(event) for event in stream(60, seed=105)])
    begin(postgres_dsn, LISTENERS[0], made_at=made_at)
    step.turn()
    assert "still to be read" in said(postgres_dsn)[0][1]
    fold_all(broker, pool, postgres_dsn)
    step.turn()
    [(confirmed, waits_for)] = said(postgres_dsn)
    assert not confirmed
    assert "are not sealed" in waits_for


def test_where_somebody_read_who_did_not_look_it_waits(
    broker: MemoryBroker, pool: Pool, keys: Keys, step: KafkaStep, postgres_dsn: str
) -> None:
    """As an aggregator of before: it moves the offset and says nothing of seals."""
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=100)], keys))
    fold_all(broker, pool, postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("update feedback.offsets set sealed_to = sealed_to - 1 where next_offset > 1")
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=101)], keys))
    fold_all(broker, pool, postgres_dsn)
    begin(postgres_dsn, LISTENERS[0])
    step.turn()
    [(confirmed, waits_for)] = said(postgres_dsn)
    assert not confirmed
    assert "are not sealed" in waits_for
