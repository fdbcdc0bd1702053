"""Event logs on Apache Kafka, written through librdkafka: the home of confluent-kafka.

librdkafka tells what became of a message only to whoever asks, so each client has a thread that asks.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, cast

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Told

from services.errors import NotAcknowledged
from services.kafka_access import librdkafka_options
from services.streams import MAX_MESSAGE_BYTES, Outgoing, Receipt, require_size

_CONNECT_S: Final = 5
_METADATA_S: Final = 5
_ASK_S: Final = 0.2
_ENVELOPE: Final = 48_576
"""Most bytes that a record takes beside key and value."""


class LibrdkafkaWriter:
    """A `Producer`: idempotent, acknowledged by all in-sync replicas. It connects at the first message.

    What is not confirmed within `delivery_s` is given up. A key goes to the partition that our other client gives it
    (murmur2): where librdkafka chose by itself, the order of a key would end where clients change.
    """

    def __init__(self, bootstrap: str, *, delivery_s: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._delivery_s = delivery_s
        self._making = threading.Lock()
        self._client: _Client | None = None

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        require_size(messages)
        if not messages:
            return []
        try:
            client = self._connected()
        except KafkaException as error:
            raise NotAcknowledged(tuple(range(len(messages))), f"Kafka cannot be reached ({error})") from error
        answers, given = _Answers(len(messages)), 0
        try:
            for message in messages:
                client.send(message, partial(answers.note, given))
                given += 1
        except (KafkaException, BufferError) as error:  # the rest would fail, or wait, for the same
            answers.expect(given, error)
        receipts = answers.within(self._delivery_s + 1)
        missing = tuple(index for index, receipt in enumerate(receipts) if receipt is None)
        if missing:
            text = f"{len(missing)} of {len(messages)} messages were not acknowledged ({answers.reason})"
            raise NotAcknowledged(missing, text)
        return [receipt for receipt in receipts if receipt]

    def close(self) -> None:
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            client.close(_CONNECT_S)

    def _connected(self) -> "_Client":
        """A client that can send. One that never can again ends aside, when what others have given it is settled."""
        with self._making:
            if self._client is not None and self._client.is_over:
                end = partial(self._client.close, 2 * self._delivery_s)
                threading.Thread(target=end, name="old kafka client", daemon=True).start()
                self._client = None
            if self._client is None:
                self._client = _Client(self._bootstrap, self._delivery_s)
            return self._client


class _Client:
    """A producer of librdkafka, and the thread that asks it what became of messages.

    Attributes:
        is_over: it can never send again.
    """

    def __init__(self, bootstrap: str, delivery_s: float) -> None:
        delivery_ms = int(delivery_s * 1000)
        self.is_over = False
        self._producer = Producer(
            {
                **librdkafka_options(bootstrap),
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "socket.nagle.disable": True,
                "message.max.bytes": MAX_MESSAGE_BYTES + _ENVELOPE,
                "message.timeout.ms": delivery_ms,
                "request.timeout.ms": delivery_ms // 2,
                "socket.timeout.ms": delivery_ms // 2,
                "topic.metadata.propagation.max.ms": min(_METADATA_S * 1000, delivery_ms),
                "reconnect.backoff.max.ms": 1000,
            },
            logger=logging.getLogger("librdkafka"),
        )
        self._ended = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="kafka answers", daemon=True)
        self._asking.start()

    def send(self, message: Outgoing, note: Callable[[KafkaError | None, Told], None]) -> None:
        """Raises KafkaException, BufferError: it was not taken, and `note` is never called."""
        self._producer.produce(message.topic, message.value, message.key, on_delivery=note)

    def close(self, patience_s: float) -> None:
        """Once what it holds is sent or has failed, at the latest after so many seconds."""
        with suppress(KafkaException):  # that it is over
            self._producer.flush(patience_s)
        self._ended.set()
        self._asking.join()
        self._producer.purge()

    def _ask(self) -> None:
        while not self._ended.is_set():
            try:
                self._producer.poll(_ASK_S)
            except KafkaException as error:  # only here is it told; a report says at most that its message was dropped
                self.is_over |= error.args[0].fatal()


class _Answers:
    """What became of the messages of one call."""

    def __init__(self, count: int) -> None:
        self.reason = "no answer"
        self._receipts: list[Receipt | None] = [None] * count
        self._expected = count
        self._told = 0
        self._lock = threading.Lock()
        self._all = threading.Event()

    def note(self, index: int, error: KafkaError | None, told: Told) -> None:
        if error is None:
            place = cast("tuple[str, int, int]", (told.topic(), told.partition(), told.offset()))
            self._receipts[index] = Receipt(*place, told.timestamp()[1])
        else:
            self._fail(error)
        with self._lock:
            self._told += 1
            self._look()

    def expect(self, count: int, error: Exception) -> None:
        """Only so many were given to the client."""
        self._fail(error.args[0] if isinstance(error, KafkaException) else "buffer full")
        with self._lock:
            self._expected = count
            self._look()

    def within(self, seconds: float) -> list[Receipt | None]:
        """What is known when all have been told of, or after so long."""
        self._all.wait(seconds)
        return list(self._receipts)

    def _look(self) -> None:
        if self._told >= self._expected:
            self._all.set()

    def _fail(self, error: KafkaError | str) -> None:
        self.reason = error if isinstance(error, str) else error.name()
