"""The broker in memory keeps the contract, and has a clock that is moved by hand."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.errors import BackendAway, NotAcknowledged
from services.streams import Outgoing, TopicPartition
from services.streams_memory import Clock, MemoryBroker, MemoryReader, MemoryWriter
from tests.contracts.streams import PARTITIONS, Member, StreamsContract, numbered

TOPIC = "songs"


class InMemory:
    topic = TOPIC

    def __init__(self) -> None:
        self._broker = MemoryBroker({TOPIC: PARTITIONS})

    @contextmanager
    def away(self) -> Iterator[None]:
        self._broker.away = True
        try:
            yield
        finally:
            self._broker.away = False

    def forget(self, place: TopicPartition, begin: int) -> None:
        self._broker.forget(place, begin)

    def recreate(self) -> None:
        self._broker.recreate(TOPIC)

    def grow(self) -> None:
        self._broker.grow(TOPIC)

    def producer(self) -> MemoryWriter:
        return self._broker.producer()

    impatient = producer

    def consumer(self, group: str) -> MemoryReader:
        return self._broker.consumer(group)


class TestMemory(StreamsContract):
    @pytest.fixture
    def broker(self) -> InMemory:
        return InMemory()


def test_messages_carry_the_time_of_the_clock() -> None:
    broker = MemoryBroker({TOPIC: 1}, Clock(1000.0))
    broker.producer().send_all(numbered(TOPIC, 1))
    broker.clock.advance(2.5)
    broker.producer().send_all(numbered(TOPIC, 1))
    assert [message.timestamp_ms for message in Member(broker.consumer("g"), TOPIC).read(2)] == [1_000_000, 1_002_500]


def test_a_silent_member_loses_its_partitions_and_learns_of_it_at_its_next_poll() -> None:
    broker = MemoryBroker({TOPIC: 2}, session_timeout_s=10)
    silent, lively = Member(broker.consumer("g"), TOPIC), Member(broker.consumer("g"), TOPIC)
    silent.poll(timeout_s=0)
    everything = set(silent.held)
    broker.clock.advance(11)
    lively.poll(timeout_s=0)
    assert lively.held == everything
    assert silent.held == everything, "a zombie does not know"
    silent.poll(timeout_s=0)
    lively.poll(timeout_s=0)
    silent.poll(timeout_s=0)
    assert silent.held | lively.held == everything
    assert not silent.held & lively.held


def test_a_broker_that_is_away_answers_nobody_and_goes_on_when_it_returns() -> None:
    broker = MemoryBroker({TOPIC: 1})
    member = Member(broker.consumer("g"), TOPIC)
    broker.producer().send_all([Outgoing(TOPIC, b"k", b"before")])
    broker.away = True
    assert member.poll(timeout_s=0) == []
    with pytest.raises(NotAcknowledged):
        broker.producer().send_all([Outgoing(TOPIC, b"k", b"meanwhile")])
    with pytest.raises(BackendAway):
        member.consumer.end_offsets([TopicPartition(TOPIC, 0)])
    broker.away = False
    assert [message.value for message in member.read(1)] == [b"before"]
