"""What is written through librdkafka keeps the contract, and lies where our other client would have put it."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import Message as Told

from services import streams_librdkafka
from services.errors import NotAcknowledged
from services.streams import Outgoing
from services.streams_librdkafka import LibrdkafkaWriter, _Client
from services.streams_writers import writer_to
from tests.contracts.streams import ProducerContract, numbered, until
from tests.services.test_streams_kafka import Real


class Librdkafka(Real):
    def producer(self) -> LibrdkafkaWriter:
        return LibrdkafkaWriter(self._bootstrap, delivery_s=30)

    def impatient(self) -> LibrdkafkaWriter:
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

    def test_a_client_that_can_never_send_again_is_replaced(self, broker: Librdkafka) -> None:
        with closing(broker.producer()) as writer:
            writer.send_all(numbered(broker.topic, 1))
            client = writer._connected()
            end_for_ever(client)
            until(lambda: client.is_over)
            assert len(writer.send_all(numbered(broker.topic, 3))) == 3


def end_for_ever(client: _Client) -> None:
    """What idempotent producers meet when a broker has lost their place, by librdkafka's own function for tests."""
    files = metadata.files("confluent-kafka") or []
    library = ctypes.CDLL(str(next(file.locate() for file in files if file.name.startswith("librdkafka"))))
    handle = ctypes.c_void_p.from_address(id(client._producer) + object.__basicsize__)  # the first field of the object
    assert library.rd_kafka_test_fatal_error(handle, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"by a test") == 0


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


class Stub:
    """A client that takes `most` messages and tells at once that they are there."""

    is_over = False

    def __init__(self, *_: object, most: int) -> None:
        self._left = most

    def send(self, message: Outgoing, note: Callable[[KafkaError | None, Told], None]) -> None:
        if not self._left:
            raise BufferError("Local: Queue full")
        self._left -= 1
        note(None, Told(message.topic, 0, 7, timestamp=(1, 5)))

    def close(self, _: float) -> None:
        pass


def test_what_a_full_client_does_not_take_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_librdkafka, "_Client", partial(Stub, most=2))
    with pytest.raises(NotAcknowledged) as caught:
        LibrdkafkaWriter("127.0.0.1:1").send_all(numbered("songs", 4))
    assert caught.value.missing == (2, 3)


def test_the_cheaper_client_writes_where_it_is_installed() -> None:
    assert isinstance(writer_to("127.0.0.1:1"), LibrdkafkaWriter)
