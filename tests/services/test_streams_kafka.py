"""Apache Kafka keeps the contract."""

from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from kafka import TopicPartition as KafkaPartition
from kafka.admin import KafkaAdminClient

from services.errors import BackendAway, NotAcknowledged
from services.kafka_access import options
from services.streams import Outgoing, Producer, Start, TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter, _Changes
from tests.contracts.streams import PARTITIONS, Member, StreamsContract, until
from tests.frozen import frozen


def make_topic(bootstrap: str, name: str) -> None:
    admin = KafkaAdminClient(**options(bootstrap))
    admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()


class Real:
    """A topic of its own on the running broker."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.topic = f"contract-{uuid4().hex}"
        make_topic(bootstrap, self.topic)

    def away(self) -> AbstractContextManager[None]:
        return frozen(self._bootstrap)

    def forget(self, place: TopicPartition, begin: int) -> None:
        admin = KafkaAdminClient(**options(self._bootstrap))
        admin.delete_records({KafkaPartition(*place): begin})
        admin.close()

    def recreate(self) -> None:
        admin = KafkaAdminClient(**options(self._bootstrap))
        admin.delete_topics([self.topic])
        until(lambda: self.topic not in admin.list_topics())
        admin.close()
        make_topic(self._bootstrap, self.topic)

    def grow(self) -> None:
        admin = KafkaAdminClient(**options(self._bootstrap))
        admin.create_partitions({self.topic: PARTITIONS + 1})
        admin.close()

    def producer(self) -> Producer:
        return KafkaWriter(self._bootstrap, delivery_s=30)

    def impatient(self) -> Producer:
        return KafkaWriter(self._bootstrap, delivery_s=5)

    def consumer(self, group: str) -> KafkaReader:
        return KafkaReader(self._bootstrap, group, session_timeout_s=6, metadata_age_s=2)


class TestKafka(StreamsContract):
    @pytest.fixture
    def broker(self, kafka_bootstrap: str) -> Real:
        return Real(kafka_bootstrap)


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens, nor can without root."""
    return "127.0.0.1:1"


def test_without_a_broker_all_messages_are_named_as_missing(nobody: str) -> None:
    writer = KafkaWriter(nobody)
    with pytest.raises(NotAcknowledged) as caught:
        writer.send_all([Outgoing("songs", b"k", b"1"), Outgoing("songs", b"k", b"2")])
    assert caught.value.missing == (0, 1)
    assert caught.value.retry_after
    writer.close()


def test_without_a_broker_a_poll_says_so(nobody: str) -> None:
    with pytest.raises(BackendAway, match="Kafka"):
        Member(KafkaReader(nobody, "group"), "songs").poll()


def test_a_topic_that_appears_later_is_read_though_the_rejoin_outlasts_a_poll(kafka_bootstrap: str) -> None:
    """kafka-python forgets such a rejoin; without our reminder the member stays without partitions."""
    broker, later = Real(kafka_bootstrap), f"later-{uuid4().hex}"
    reader = broker.consumer(f"group-{uuid4().hex}")
    held: set[TopicPartition] = set()

    def assigned(places: frozenset[TopicPartition]) -> dict[TopicPartition, Start]:
        held.update(places)
        return {}

    reader.subscribe([broker.topic, later], assigned, held.difference_update)
    until(lambda: reader.poll(10, 0.001) == [] and len(held) == PARTITIONS)
    make_topic(kafka_bootstrap, later)

    def sees_both() -> bool:
        reader._client._cluster.request_update()  # else it would look after five minutes
        return reader.poll(10, 0.001) == [] and len(held) == 2 * PARTITIONS

    until(sees_both)
    reader.close()


def test_what_was_lost_while_it_was_being_taken_is_not_taken_again() -> None:
    """`on_assigned` failed for both, and one was lost meanwhile: nobody would ever lose it again."""
    lost, held = TopicPartition("t", 0), TopicPartition("t", 1)
    changes = _Changes()
    changes.gain({lost, held})
    _, taken = changes.take()
    changes.lose({lost})
    changes.gain_again(taken)
    assert changes.take() == (frozenset({lost}), frozenset({held}))
