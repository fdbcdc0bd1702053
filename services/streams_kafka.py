"""Event logs on Apache Kafka: the home of kafka-python.

kafka-python runs its network loop, and with it the rebalance listener, in a thread of its own. A listener that asked
Postgres there would stop heartbeats, so it only notes what changed and pauses what is new; `poll` does the rest in the
caller's thread, before any message of a new partition.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import MemberState
from kafka.errors import KafkaError, LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from services.errors import BackendAway, NotAcknowledged
from services.kafka_access import options
from services.streams import (
    Extent,
    Message,
    OnAssigned,
    OnRevoked,
    Outgoing,
    PositionLost,
    Receipt,
    Start,
    TopicPartition,
    require_size,
)

_CONNECT_S: Final = 5
_METADATA_S: Final = 5
_COOL_OFF_S: Final = 1.0


class KafkaWriter:
    """A `Producer`: idempotent, acknowledged by all in-sync replicas. It connects at the first message.

    What is not confirmed within `delivery_s` is given up, and with it the client that was to send it: kafka-python
    3.0.12 takes away its own producer id when a batch expires that had been sent before, never asks for another and
    never sends anything again. Repeats do no harm, since every event has an id of its own.
    """

    def __init__(self, bootstrap: str, *, delivery_s: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._delivery_s = delivery_s
        self._connecting = threading.Lock()
        self._failed_at = -_COOL_OFF_S
        self._client: Any = None

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        require_size(messages)
        if not messages:
            return []
        try:
            client = self._connected()
        except BackendAway as error:
            raise NotAcknowledged(tuple(range(len(messages))), error.message) from error
        futures: list[Any] = []
        reason: KafkaError | None = None
        for message in messages:
            try:
                futures.append(client.send(message.topic, key=message.key, value=message.value))
            except KafkaError as error:  # no metadata, no buffer: the rest would wait as long for the same
                reason = error
                break
        receipts: list[Receipt] = []
        missing = list(range(len(futures), len(messages)))
        deadline = time.monotonic() + self._delivery_s + 1
        for index, future in enumerate(futures):
            try:
                written = future.get(timeout=max(0.0, deadline - time.monotonic()))
                receipts.append(Receipt(written.topic, written.partition, written.offset, written.timestamp))
            except KafkaError as error:
                reason = error
                missing.append(index)
        if missing:
            self._replace(client)
            text = f"{len(missing)} of {len(messages)} messages were not acknowledged ({type(reason).__name__})"
            raise NotAcknowledged(tuple(sorted(missing)), text)
        return receipts

    def close(self) -> None:
        with self._connecting:
            if self._client is not None:
                _end(self._client, _CONNECT_S)
                self._client = None

    def _replace(self, client: Any) -> None:
        """The next message gets a new client. The old one ends aside, when what others have given it is settled."""
        with self._connecting:
            if self._client is not client:
                return  # another thread was here first
            self._client = None
        threading.Thread(target=_end, args=(client, 2 * self._delivery_s), name="old kafka client", daemon=True).start()

    def _connected(self) -> Any:
        client = self._client
        if client is not None:
            return client
        with self._connecting:
            if self._client is None:
                # Threads that queued up behind a failed attempt fail with it instead of each waiting in turn.
                if time.monotonic() - self._failed_at < _COOL_OFF_S:
                    raise BackendAway("kafka", "Kafka cannot be reached")
                delivery_ms = int(self._delivery_s * 1000)
                try:
                    self._client = KafkaProducer(
                        **options(self._bootstrap),
                        acks="all",
                        enable_idempotence=True,
                        linger_ms=2,
                        max_block_ms=min(_METADATA_S * 1000, delivery_ms),
                        request_timeout_ms=delivery_ms // 2,
                        delivery_timeout_ms=delivery_ms,
                        bootstrap_timeout_ms=_CONNECT_S * 1000,
                        reconnect_backoff_max_ms=1000,
                        allow_auto_create_topics=False,
                    )
                except KafkaError as error:
                    self._failed_at = time.monotonic()
                    raise BackendAway("kafka", f"Kafka cannot be reached ({type(error).__name__})") from error
            return self._client


def _end(client: Any, patience_s: float) -> None:
    """Closes a producer once what it holds is sent or has failed, at the latest after so many seconds."""
    try:
        client.close(timeout=patience_s)
    except KafkaError:  # it gave up waiting, and has not told its own thread to stop
        client._sender.force_close()  # noqa: SLF001 - there is no public way


class KafkaReader:
    """A `Consumer` in a group; silent for `session_timeout_s`, a member loses its partitions. Members keep what they
    have through a rebalance. Partitions that are added are seen after `metadata_age_s` at the latest."""

    def __init__(
        self, bootstrap: str, group: str, *, session_timeout_s: float = 10.0, metadata_age_s: float = 30.0
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._session_timeout_s = session_timeout_s
        self._metadata_age_s = metadata_age_s
        self._client: Any = None
        self._subscription: tuple[tuple[str, ...], OnAssigned, OnRevoked] | None = None
        self._changes = _Changes()
        self._kept: list[Message] = []

    def subscribe(self, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        self._subscription = (tuple(topics), on_assigned, on_revoked)

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        if self._subscription is None:
            raise ValueError("poll before subscribe")
        client = self._connected()
        self._apply_changes()
        try:
            batches = client.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except NoOffsetForPartitionError:  # given in this poll, and not yet told where to start
            self._apply_changes()
            return []
        except OffsetOutOfRangeError as error:
            raise PositionLost(f"out of range: {error}") from error
        except LogTruncationError as error:
            cut = {TopicPartition(*place): at.offset for place, at in error.divergent_offsets.items() if at}
            raise PositionLost(f"truncated: {error}", cut) from error
        except KafkaError as error:
            if not getattr(error, "retriable", False):
                raise
            return []
        self._kept += [_message(record) for batch in batches.values() for record in batch]
        _keep_joining(client)
        # A rebalance inside this poll paused what is new, so nothing read above belongs to it. Other partitions stay
        # through it, and their positions have moved: what was read of them is given out, however often this raises.
        self._apply_changes()
        messages, self._kept = self._kept, []
        return messages

    def seek(self, place: TopicPartition, start: Start) -> None:
        refusal = ValueError(f"{place.topic}[{place.partition}] is not assigned")
        if self._client is None:
            raise refusal
        try:
            self._start(KafkaPartition(*place), start)
        except (KeyError, ValueError) as error:
            raise refusal from error

    def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        self.end_offsets([TopicPartition(topic, 0) for topic in topics])  # else the next question has no time limit
        found = {topic: self._client.partitions_for_topic(topic) for topic in topics}
        return [TopicPartition(topic, number) for topic, numbers in found.items() for number in sorted(numbers)]

    def offsets_at(self, places: Sequence[TopicPartition], timestamp_ms: int) -> dict[TopicPartition, int]:
        ends = self.end_offsets(places)
        with _reaching():
            asked = {KafkaPartition(*place): timestamp_ms for place in places}
            found = self._client.offsets_for_times(asked, timeout_ms=_METADATA_S * 1000)
        first = {TopicPartition(*place): at.offset for place, at in found.items() if at is not None}
        return ends | first

    def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        client = self._connected()
        with _reaching():
            ends = client.end_offsets([KafkaPartition(*place) for place in places], timeout_ms=_METADATA_S * 1000)
        return {TopicPartition(place.topic, place.partition): offset for place, offset in ends.items()}

    def extents(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Extent]:
        ends = self.end_offsets(places)
        with _reaching():
            asked = [KafkaPartition(*place) for place in places]
            begins = self._client.beginning_offsets(asked, timeout_ms=_METADATA_S * 1000)
        return {
            place: Extent(self._topic_id(place.topic), begins[KafkaPartition(*place)], ends[place]) for place in places
        }

    def close(self) -> None:
        if self._client is not None:
            client, self._client, self._kept = self._client, None, []
            client.close(autocommit=False, timeout_ms=_CONNECT_S * 1000)

    def _topic_id(self, topic: str) -> str:
        known = self._client._cluster.topic_id(topic)  # noqa: SLF001 - there is no public way to ask for it
        return "" if known is None else str(known)

    def _start(self, place: KafkaPartition, start: Start) -> None:
        """With the epoch of what was read last, the library asks the leader whether its log is still the same."""
        if start.epoch < 0:
            self._client.seek(place, start.offset)
        else:
            state = self._client._subscription.assignment[place]  # noqa: SLF001 - `seek` takes no epoch
            state.seek(OffsetAndMetadata(start.offset, "", start.epoch))

    def _apply_changes(self) -> None:
        assert self._subscription is not None
        _, on_assigned, on_revoked = self._subscription
        lost, gained = self._changes.take()
        if lost:
            self._kept = [message for message in self._kept if message.place not in lost]
            on_revoked(lost)
        if not gained:
            return
        try:
            starts = on_assigned(gained)
        except Exception:
            self._changes.gain_again(gained)
            raise
        # Between the look and here the network thread may have taken some away again.
        held = {TopicPartition(place.topic, place.partition) for place in self._client.assignment()}
        for place in gained & held:
            if place in starts:
                self._start(KafkaPartition(*place), starts[place])
            else:
                self._client.seek_to_beginning(KafkaPartition(*place))
            self._client.resume(KafkaPartition(*place))

    def _connected(self) -> Any:
        if self._client is None:
            assert self._subscription is not None
            with _reaching():
                client = KafkaConsumer(
                    **options(self._bootstrap),
                    group_id=self._group,
                    partition_assignment_strategy=(CooperativeStickyAssignor,),
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                    isolation_level="read_committed",
                    session_timeout_ms=int(self._session_timeout_s * 1000),
                    heartbeat_interval_ms=int(self._session_timeout_s * 1000 / 4),
                    request_timeout_ms=30_000,
                    bootstrap_timeout_ms=_CONNECT_S * 1000,
                    metadata_max_age_ms=int(self._metadata_age_s * 1000),
                    reconnect_backoff_max_ms=1000,
                    allow_auto_create_topics=False,
                )
            self._changes = _Changes()
            client.subscribe(topics=list(self._subscription[0]), listener=_Listener(client, self._changes))
            self._client = client
        return self._client


@contextmanager
def _reaching() -> Iterator[None]:
    """Says of the library's errors that the broker is away."""
    try:
        yield
    except KafkaError as error:
        raise BackendAway("kafka", f"Kafka cannot be reached ({type(error).__name__})") from error


def _message(record: Any) -> Message:
    epoch = -1 if record.leader_epoch is None else int(record.leader_epoch)
    return Message(record.topic, record.partition, record.offset, record.key, record.value, record.timestamp, epoch)


def _keep_joining(client: Any) -> None:
    """kafka-python 3.0.12 forgets that it was joining when a join that new metadata caused outlasts a poll: the answer
    is then never applied, and the member sits without partitions or heartbeats. This makes the next poll go on."""
    if client.group_metadata().state is MemberState.REBALANCING:
        client._coordinator.request_rejoin()  # noqa: SLF001 - there is no public way to ask for it


class _Changes:
    """What the network thread has noted and the caller's thread has not dealt with yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gained: set[TopicPartition] = set()
        self._lost: set[TopicPartition] = set()

    def gain(self, places: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._gained |= set(places)

    def gain_again(self, places: Iterable[TopicPartition]) -> None:
        """Those that were taken and not dealt with, less what was lost meanwhile: it would have no owner to lose it."""
        with self._lock:
            self._gained |= set(places) - self._lost

    def lose(self, places: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._lost |= set(places)
            self._gained -= set(places)

    def take(self) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """(lost, gained) since the last call."""
        with self._lock:
            taken = frozenset(self._lost), frozenset(self._gained)
            self._lost, self._gained = set(), set()
            return taken


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    def __init__(self, client: Any, changes: _Changes) -> None:
        self._client = client
        self._changes = changes

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._changes.lose({TopicPartition(*place) for place in revoked})

    def on_partitions_lost(self, lost: Any) -> None:
        self._changes.lose({TopicPartition(*place) for place in lost})

    def on_partitions_assigned(self, assigned: Any) -> None:
        if assigned:
            self._client.pause(*assigned)
        self._changes.gain({TopicPartition(*place) for place in assigned})
