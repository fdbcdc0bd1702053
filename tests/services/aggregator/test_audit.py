"""The books: every message is counted once, and whatever is missing is found, wherever it went missing."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from schemas.topics import FEEDBACK, PARTITIONS, PLAYS
from services.aggregator.accounts import UNREADABLE, accounts, hour_of, kind_of
from services.aggregator.audit import audit
from services.aggregator.batch import sort_out
from services.aggregator.books import Report
from services.aggregator.main import GROUP
from services.aggregator.store import Store
from services.postgres import Pool, open_pool
from services.streams import Message, Outgoing, Receipt
from services.streams_memory import Clock, MemoryBroker
from tests.contracts.streams import until
from tests.services.aggregator.samples import message_of, stream
from tests.services.aggregator.test_main import drain, ends, running

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
ADD = """
insert into gateway.acknowledged as a values (%s, %s, %s, %s, 1, %s, %s)
on conflict (topic, partition, hour, type) do update set events = a.events + 1,
    first_offset = least(a.first_offset, excluded.first_offset),
    last_offset = greatest(a.last_offset, excluded.last_offset)"""


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS), Clock(HOUR.timestamp() + 60))


def send(broker: MemoryBroker, dsn: str, messages: Sequence[Outgoing]) -> list[Receipt]:
    """As a gateway: what is acknowledged is told."""
    receipts = broker.producer().send_all(messages)
    with psycopg.connect(dsn) as connection:
        for message, receipt in zip(messages, receipts, strict=True):
            place = (receipt.topic, receipt.partition, hour_of(receipt.timestamp_ms))
            kind = json.loads(message.value)["type"]
            connection.execute(ADD, (*place, kind, receipt.offset, receipt.offset))
    return receipts


def report(broker: MemoryBroker, pool: Pool) -> Report:
    return audit(pool, lambda: broker.consumer("audit"), HOUR, HOUR + timedelta(hours=1))


def total(found: Report, name: str) -> int:
    return sum(getattr(line, name) for line in found.lines)


def fold_all(broker: MemoryBroker, pool: Pool, dsn: str) -> None:
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, dsn)


def test_all_that_was_acknowledged_is_folded_repeated_set_aside_or_waits(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    events = [message_of(event) for event in stream(120, seed=60)]
    send(broker, postgres_dsn, [*events, *events[:30]])
    broker.producer().send_all([Outgoing(PLAYS, b"k", b"?")])
    fold_all(broker, pool, postgres_dsn)
    send(broker, postgres_dsn, events[:7])
    found = report(broker, pool)
    assert found.faults == []
    names = ("acknowledged", "in_kafka", "folded", "repeated", "dead_lettered", "waiting", "expired", "lost")
    assert [total(found, name) for name in names] == [157, 158, 120, 30, 1, 7, 0, 0]
    (unreadable,) = (line for line in found.lines if line.type == UNREADABLE)
    assert (unreadable.hour, unreadable.dead_lettered, unreadable.acknowledged) == (HOUR, 1, 0)


def test_other_hours_are_left_out_and_the_log_may_forget_what_is_folded(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    send(broker, postgres_dsn, [message_of(event) for event in stream(50, seed=61)])
    broker.clock.advance(3600)
    send(broker, postgres_dsn, [message_of(event) for event in stream(20, seed=62)])
    fold_all(broker, pool, postgres_dsn)
    for place, end in ends(broker).items():
        broker.forget(place, end)
    found = report(broker, pool)
    assert found.faults == []
    assert [total(found, name) for name in ("acknowledged", "folded", "in_kafka", "expired")] == [50, 50, 0, 50]


def test_what_the_log_forgot_before_it_was_read_is_lost_and_the_metric_says_so(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    receipts = send(broker, postgres_dsn, [message_of(event) for event in stream(200, seed=63)])
    place = max(ends(broker), key=lambda place: ends(broker)[place])
    broker.forget(place, 4)
    fold_all(broker, pool, postgres_dsn)
    found = report(broker, pool)
    assert total(found, "lost") == 4
    assert [fault for fault in found.faults if f"{place.topic}/{place.partition}" in fault] == found.faults
    assert len(receipts) - total(found, "folded") == 4
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("update gateway.acknowledged set hour = date_trunc('hour', now())")
        connection.execute("update feedback.accounts set hour = date_trunc('hour', now())")
    assert Store(pool).unaccounted()[place.topic] == (4, 0)
    labels = {"topic": place.topic, "reason": "lost"}
    with running(broker.consumer(GROUP), Store(pool)):
        until(lambda: REGISTRY.get_sample_value("encore_aggregator_unaccounted_events", labels) == 4)


def test_a_log_that_lost_its_end_is_found_before_anything_is_read(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    send(broker, postgres_dsn, [message_of(event) for event in stream(40, seed=64)])
    log = next(log for log in broker.logs.values() if log)
    del log[-1]
    found = report(broker, pool)
    assert total(found, "lost") == 1
    assert any("the log ends before" in fault for fault in found.faults)


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        ("update feedback.offsets set next_offset = next_offset + 1 where next_offset > 0", "was moved"),
        ("update feedback.offsets set next_offset = next_offset + 1, counted_to = counted_to + 1", "from what was"),
        ("delete from feedback.accounts", "in the log, passed and not counted"),
    ],
)  # fmt: skip
def test_what_is_passed_without_being_counted_is_found(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str, tampering: str, words: str
) -> None:
    send(broker, postgres_dsn, [message_of(event) for event in stream(40, seed=65)])
    fold_all(broker, pool, postgres_dsn)
    assert report(broker, pool).faults == []
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(tampering.encode())
    assert any(words in fault for fault in report(broker, pool).faults)


def test_counting_begins_where_it_can_and_does_not_judge_what_was_before(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    """As after an upgrade: offsets that were moved by code that does not count."""
    send(broker, postgres_dsn, [message_of(event) for event in stream(60, seed=66)])
    fold_all(broker, pool, postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("delete from feedback.accounts")
        connection.execute("update feedback.offsets set counted_from = null, counted_to = null, uncounted = 0")
    fold_all(broker, pool, postgres_dsn)
    assert report(broker, pool).faults == []
    broker.clock.advance(60)
    send(broker, postgres_dsn, [message_of(event) for event in stream(60, seed=67)])
    fold_all(broker, pool, postgres_dsn)
    assert report(broker, pool).faults == []


@given(st.lists(st.tuples(st.booleans(), st.integers(-(2**62), 2**62)), max_size=30))
def test_every_message_of_a_batch_is_in_one_account(drawn: list[tuple[bool, int]]) -> None:
    good = message_of(stream(1, seed=68)[0])
    messages = [
        Message(good.topic, 0, offset, good.key, good.value if readable else b"{", timestamp)
        for offset, (readable, timestamp) in enumerate(drawn)
    ]
    batch = sort_out(messages)
    counted = accounts(batch, batch.arrivals[:1])
    assert sum(account.total for account in counted.values()) == len(messages)
    assert sum(account.dead_lettered for account in counted.values()) == len(batch.dead)
    assert sum(account.folded for account in counted.values()) == len(batch.arrivals[:1])


@given(st.binary(max_size=40) | st.builds(lambda text: json.dumps({"type": text}).encode(), st.text(max_size=80)))
def test_a_type_can_be_told_of_anything(value: bytes) -> None:
    assert kind_of(value) == UNREADABLE or kind_of(value).startswith("encore.")
