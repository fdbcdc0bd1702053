"""What is written through librdkafka keeps the contract, and lies where our other client would have put it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.errors import NotAcknowledged
from services.streams import Outgoing
from services.streams_librdkafka import LibrdkafkaWriter
from services.streams_writers import writer_to
from tests.contracts.streams import ProducerContract, numbered
from tests.services.test_streams_kafka import Real


class Librdkafka(Real):
    def producer(self) -> LibrdkafkaWriter:
        return LibrdkafkaWriter(self._bootstrap, delivery_s=5)


class TestLibrdkafka(ProducerContract):
    @pytest.fixture
    def broker(self, kafka_bootstrap: str) -> Librdkafka:
        return Librdkafka(kafka_bootstrap)

    def test_a_key_lies_in_the_partition_that_the_other_client_gives_it(self, broker: Librdkafka) -> None:
        """Else a listener's events would change their order on the day on which the client is changed."""
        sent = numbered(broker.topic, 60, keys=60)
        with closing(broker.producer()) as one, closing(Real.producer(broker)) as other:
            places = [[receipt.partition for receipt in each.send_all(sent)] for each in (one, other)]
        assert places[0] == places[1]
        assert len(set(places[0])) > 1


@pytest.fixture
def writer() -> Iterator[LibrdkafkaWriter]:
    """To an address where nothing listens, nor can without root."""
    with closing(LibrdkafkaWriter("127.0.0.1:1", delivery_s=1)) as writer:
        yield writer


def test_without_a_broker_all_messages_are_named_as_missing(writer: LibrdkafkaWriter) -> None:
    with pytest.raises(NotAcknowledged) as caught:
        writer.send_all([Outgoing("songs", b"k", b"1"), Outgoing("songs", b"k", b"2")])
    assert caught.value.missing == (0, 1)
    assert caught.value.retry_after


def test_an_authority_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    writer = LibrdkafkaWriter(f"tls://127.0.0.1:1?ca={tmp_path}/none.pem", delivery_s=1)
    with pytest.raises(NotAcknowledged, match=r"ssl\.ca\.location"):
        writer.send_all([Outgoing("songs", b"k", b"1")])


def test_the_cheaper_client_writes_where_it_is_installed() -> None:
    assert isinstance(writer_to("127.0.0.1:1"), LibrdkafkaWriter)
