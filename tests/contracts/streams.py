"""What every `Producer` and `Consumer` must do; run against the broker in memory and against Apache Kafka."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from itertools import groupby
from typing import Protocol
from uuid import uuid4

import pytest

from services.errors import BackendAway, NotAcknowledged
from services.streams import (
    MAX_MESSAGE_BYTES,
    Consumer,
    Message,
    Outgoing,
    PositionLost,
    Producer,
    Start,
    TopicPartition,
)

PARTITIONS = 3
PATIENCE_S = 300.0


class Broker(Protocol):
    """The broker under test, with one topic of three partitions."""

    topic: str

    def away(self) -> AbstractContextManager[None]:
        """Within it the broker answers nobody."""

    def forget(self, place: TopicPartition, begin: int) -> None:
        """What is before this offset is gone, as by retention."""

    def recreate(self) -> None:
        """Delete the topic and make it again."""

    def grow(self) -> None:
        """Add a partition."""

    def producer(self) -> Producer: ...

    def impatient(self) -> Producer:
        """One that gives up after some seconds."""

    def consumer(self, group: str) -> Consumer: ...


class Member:
    """A consumer that starts where `stored` says, and remembers what it was told and given."""

    def __init__(self, consumer: Consumer, topic: str, stored: Mapping[TopicPartition, int] | None = None) -> None:
        self.consumer = consumer
        self.stored = {} if stored is None else stored
        self.held: set[TopicPartition] = set()
        self.early: list[Message] = []
        self.got: list[Message] = []
        self.refusals = 0
        consumer.subscribe([topic], self._assigned, self._revoked)

    def poll(self, max_records: int = 500, timeout_s: float = 0.1) -> list[Message]:
        messages = self.consumer.poll(max_records, timeout_s)
        self.early += [message for message in messages if message.place not in self.held]
        self.got += messages
        return messages

    def read(self, count: int) -> list[Message]:
        """The next `count` messages or more."""
        before = len(self.got)
        until(lambda: self.poll() is not None and len(self.got) >= before + count)
        return self.got[before:]

    def _assigned(self, places: frozenset[TopicPartition]) -> Mapping[TopicPartition, Start]:
        if self.refusals:
            self.refusals -= 1
            raise BackendAway("postgres", "away")
        self.held |= places
        return {place: Start(self.stored[place]) for place in places if place in self.stored}

    def _revoked(self, places: frozenset[TopicPartition]) -> None:
        self.held -= places


def until(done: Callable[[], bool]) -> None:
    """Wait for what is bound to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "it did not happen"


def numbered(topic: str, count: int, keys: int = 7) -> list[Outgoing]:
    return [Outgoing(topic, f"key-{number % keys}".encode(), str(number).encode()) for number in range(count)]


def confirms(producer: Producer, message: Outgoing) -> bool:
    """Whether the message is known to be in the log."""
    try:
        producer.send_all([message])
    except NotAcknowledged:
        return False
    return True


def by_key(messages: Sequence[Message | Outgoing]) -> dict[bytes | None, list[bytes | None]]:
    """The values of each key, in their order."""
    found = defaultdict(list)
    for message in messages:
        found[message.key].append(message.value)
    return dict(found)


class ProducerContract:
    """What a `Producer` must do."""

    @pytest.fixture
    def broker(self) -> Broker:
        raise NotImplementedError

    @pytest.fixture
    def producer(self, broker: Broker) -> Iterator[Producer]:
        producer = broker.producer()
        yield producer
        producer.close()

    @pytest.fixture
    def join(self, broker: Broker) -> Iterator[Callable[..., Member]]:
        """Makes members of one group."""
        group, members = f"group-{uuid4().hex}", []

        def make(stored: Mapping[TopicPartition, int] | None = None) -> Member:
            members.append(Member(broker.consumer(group), broker.topic, stored))
            return members[-1]

        yield make
        for member in members:
            member.consumer.close()

    def test_everything_arrives_once_and_in_order_within_its_key(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        sent = numbered(broker.topic, 200)
        producer.send_all(sent)
        got = join().read(200)
        assert by_key(got) == by_key(sent)

    def test_one_key_is_in_one_partition_and_offsets_count_up_from_zero(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 50))
        member = join()
        got = member.read(50)
        places = {(message.key, message.partition) for message in got}
        assert len(places) == len({message.key for message in got})
        ordered = sorted(got, key=lambda message: message.place)
        for place, messages in groupby(ordered, key=lambda message: message.place):
            offsets = [message.offset for message in messages]
            assert offsets == list(range(len(offsets)))
            assert member.consumer.end_offsets([place]) == {place: len(offsets)}

    def test_a_receipt_says_where_a_message_is(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        sent = numbered(broker.topic, 30)
        receipts = producer.send_all(sent)
        got = {(message.place, message.offset): message for message in join().read(30)}
        for message, receipt in zip(sent, receipts, strict=True):
            read = got[TopicPartition(receipt.topic, receipt.partition), receipt.offset]
            assert (read.value, read.timestamp_ms) == (message.value, receipt.timestamp_ms)

    def test_a_message_too_large_is_refused_before_anything_is_sent(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        large = Outgoing(broker.topic, b"key", bytes(MAX_MESSAGE_BYTES))
        with pytest.raises(ValueError, match="message 1 "):
            producer.send_all([*numbered(broker.topic, 1), large])
        producer.send_all([Outgoing(broker.topic, b"after", b"after")])
        assert [message.key for message in join().read(1)] == [b"after"]

    def test_what_was_not_acknowledged_is_named(self, broker: Broker, producer: Producer) -> None:
        good = numbered(broker.topic, 2)
        with pytest.raises(NotAcknowledged) as caught:
            producer.send_all([*good, Outgoing("no-such-topic", b"key", b"value")])
        assert caught.value.missing == (2,)
        assert caught.value.status == 503

    def test_a_producer_outlives_an_outage_that_is_longer_than_its_patience(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 3))
        with closing(broker.impatient()) as impatient:
            until(lambda: confirms(impatient, Outgoing(broker.topic, b"key", b"meanwhile")))
            with broker.away():
                for _ in range(2):
                    with pytest.raises(NotAcknowledged):
                        impatient.send_all([Outgoing(broker.topic, b"key", b"meanwhile")])
            until(lambda: confirms(impatient, Outgoing(broker.topic, b"key", b"after")))
        member = join()
        until(lambda: member.poll() is not None and b"after" in {message.value for message in member.got})
        assert len([message for message in member.got if message.value not in (b"meanwhile", b"after")]) == 3

    def test_nothing_to_send_is_no_error(self, producer: Producer) -> None:
        producer.send_all([])


class StreamsContract(ProducerContract):
    """What a `Producer` and a `Consumer` must do."""

    def test_reading_starts_at_the_stored_offsets(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 90))
        places = [TopicPartition(broker.topic, partition) for partition in range(PARTITIONS)]
        ends = join().consumer.end_offsets(places)
        fullest = max(places, key=lambda place: ends[place])
        member = join({fullest: 5})
        got = member.read(85)
        assert min(message.offset for message in got if message.place == fullest) == 5
        assert len(got) == 85

    def test_nothing_comes_before_the_callback_has_returned(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 30))
        member = join()
        member.refusals = 2
        for _ in range(2):
            with pytest.raises(BackendAway):
                until(lambda: bool(member.poll()))
        assert member.got == []
        member.read(30)
        assert member.early == []

    def test_a_poll_gives_at_most_what_is_asked_for(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 40))
        member = join()
        until(lambda: len(member.poll(max_records=7)) <= 7 and len(member.got) >= 40)
        assert len(member.got) == 40

    def test_two_members_share_and_one_takes_over_when_the_other_leaves(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        everything = {TopicPartition(broker.topic, partition) for partition in range(PARTITIONS)}
        first, second = join(), join()
        until(lambda: first.poll() is not None and first.held == everything)

        def shared() -> bool:
            first.poll()
            second.poll()
            return bool(first.held) and bool(second.held) and first.held | second.held == everything

        until(shared)
        assert not first.held & second.held
        first.consumer.close()
        until(lambda: second.poll() is not None and second.held == everything)
        producer.send_all(numbered(broker.topic, 20))
        second.read(20)
        assert second.early == []

    def test_nothing_is_lost_or_doubled_while_members_come_and_go_and_callbacks_raise(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        """What a member keeps through a rebalance it reads on, where it was."""
        stored: dict[TopicPartition, int] = {}
        sent, got = numbered(broker.topic, 120, keys=40), list[Message]()

        def poll(*members: Member) -> int:
            """How many messages there are so far."""
            for member in members:
                with suppress(BackendAway):
                    messages = member.poll(max_records=9)
                    stored.update({message.place: message.next_offset for message in messages})
                    got.extend(messages)
            return len(got)

        first, second = join(stored), join(stored)
        producer.send_all(sent[:40])
        until(lambda: poll(first, second) >= 40 and bool(first.held and second.held))
        producer.send_all(sent[40:80])
        until(lambda: poll(first, second) >= 80)
        second.consumer.close()
        first.refusals = 3
        producer.send_all(sent[80:])
        until(lambda: poll(first) >= 120)
        assert first.refusals == 0
        assert by_key(got) == by_key(sent)

    def test_partitions_that_are_added_are_known_and_read(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        member = join()
        until(lambda: member.poll() is not None and len(member.held) == PARTITIONS)
        assert set(member.consumer.partitions([broker.topic])) == member.held
        broker.grow()
        until(lambda: member.poll() is not None and len(member.held) == PARTITIONS + 1)
        assert set(member.consumer.partitions([broker.topic])) == member.held
        newest = TopicPartition(broker.topic, PARTITIONS)

        def written() -> bool:
            producer.send_all(numbered(broker.topic, 40, keys=40))
            return member.consumer.end_offsets([newest])[newest] > 0

        until(written)
        until(lambda: member.poll() is not None and newest in {message.place for message in member.got})

    def test_the_first_message_of_a_time_is_found(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        receipts = producer.send_all(numbered(broker.topic, 5, keys=1))
        place, reader = TopicPartition(*receipts[0][:2]), join().consumer
        assert reader.offsets_at([place], receipts[0].timestamp_ms) == {place: 0}
        assert reader.offsets_at([place], receipts[-1].timestamp_ms + 1) == {place: 5}

    def test_seek_reads_again(self, broker: Broker, producer: Producer, join: Callable[..., Member]) -> None:
        producer.send_all(numbered(broker.topic, 10, keys=1))
        member = join()
        place = member.read(10)[0].place
        member.consumer.seek(place, Start(6))
        assert [message.offset for message in member.read(4)] == [6, 7, 8, 9]

    def test_seek_refuses_a_partition_of_others(self, broker: Broker, join: Callable[..., Member]) -> None:
        with pytest.raises(ValueError, match="assigned"):
            join().consumer.seek(TopicPartition(broker.topic, 0), Start(1))

    def test_after_close_a_poll_joins_anew_at_the_stored_offsets(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 10, keys=1))
        member = join()
        place = member.read(10)[0].place
        member.consumer.close()
        member.stored = {place: 8}
        assert [message.offset for message in member.read(2)] == [8, 9]

    def test_a_position_that_the_log_has_forgotten_is_not_passed_over(
        self, broker: Broker, producer: Producer, join: Callable[..., Member]
    ) -> None:
        producer.send_all(numbered(broker.topic, 10, keys=1))
        member = join()
        place = member.read(10)[0].place
        member.consumer.close()
        broker.forget(place, 6)
        member.stored = {place: 3}
        with pytest.raises(PositionLost):
            until(lambda: bool(member.poll()))
        extent = member.consumer.extents([place])[place]
        assert (extent.begin, extent.end) == (6, 10)
        member.consumer.close()
        member.stored = {place: extent.begin}
        assert [message.offset for message in member.read(4)] == [6, 7, 8, 9]

    def test_a_topic_that_is_made_again_is_another(self, broker: Broker, join: Callable[..., Member]) -> None:
        place = TopicPartition(broker.topic, 0)
        before = join().consumer.extents([place])[place]
        broker.recreate()
        after = join().consumer.extents([place])[place]
        assert before.topic_id
        assert after.topic_id not in ("", before.topic_id)
