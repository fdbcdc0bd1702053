"""What is written through librdkafka keeps the contract, and lies where our other client would have put it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import Message as Told

from services import streams_librdkafka
from services.errors import NotAcknowledged
from services.streams import Outgoing
from services.streams_librdkafka import LibrdkafkaWriter
from services.streams_writers import writer_to
from tests.contracts.streams import ProducerContract, numbered
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
    """A client that takes `most` messages and tells at once what became of each."""

    made: ClassVar[list["Stub"]] = []

    def __init__(self, *_: object, error: KafkaError | None = None, most: int = 10) -> None:
        self.made.append(self)
        self._error, self._left = error, most

    def send(self, message: Outgoing, note: Callable[[KafkaError | None, Told], None]) -> None:
        if not self._left:
            raise BufferError("Local: Queue full")
        self._left -= 1
        note(self._error, Told(message.topic, 0, 7, timestamp=(1, 5)))

    def close(self, _: float) -> None:
        pass


@pytest.mark.parametrize(("fatal", "clients"), [(False, 1), (True, 2)])
def test_a_client_that_can_never_send_again_is_replaced(
    monkeypatch: pytest.MonkeyPatch, fatal: bool, clients: int
) -> None:
    error = KafkaError(KafkaError._MSG_TIMED_OUT, "told", fatal)
    monkeypatch.setattr(Stub, "made", [])
    monkeypatch.setattr(streams_librdkafka, "_Client", partial(Stub, error=error))
    writer = LibrdkafkaWriter("127.0.0.1:1")
    for _ in range(2):
        with pytest.raises(NotAcknowledged, match="_MSG_TIMED_OUT"):
            writer.send_all([Outgoing("songs", b"k", b"1")])
    assert len(Stub.made) == clients


def test_what_a_full_client_does_not_take_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_librdkafka, "_Client", partial(Stub, most=2))
    with pytest.raises(NotAcknowledged) as caught:
        LibrdkafkaWriter("127.0.0.1:1").send_all(numbered("songs", 4))
    assert caught.value.missing == (2, 3)


def test_the_cheaper_client_writes_where_it_is_installed() -> None:
    assert isinstance(writer_to("127.0.0.1:1"), LibrdkafkaWriter)
