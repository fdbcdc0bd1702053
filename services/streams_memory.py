"""Event logs in memory, with Kafka's semantics, for tests and trials in one process. Nothing survives the process.

Time is moved by hand: it stamps messages, and a member that has not polled for the session timeout is expelled.
"""

import itertools
import threading
import zlib
from collections.abc import Mapping, Sequence

from services.errors import BackendAway, NotAcknowledged
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


class Clock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class MemoryBroker:
    """Topics with their numbers of partitions. While `away`, it answers nobody."""

    def __init__(
        self, topics: Mapping[str, int], clock: Clock | None = None, *, session_timeout_s: float = 10.0
    ) -> None:
        self.clock = clock or Clock()
        self.session_timeout_s = session_timeout_s
        self.away = False
        self.changed = threading.Condition(threading.RLock())
        self.logs: dict[TopicPartition, list[Message]] = {
            TopicPartition(topic, partition): [] for topic, count in topics.items() for partition in range(count)
        }
        self.begins = dict.fromkeys(self.logs, 0)
        self.topic_ids = dict.fromkeys(topics, "first")
        self.groups: dict[str, Group] = {}

    def producer(self) -> "MemoryWriter":
        return MemoryWriter(self)

    def consumer(self, group: str) -> "MemoryReader":
        with self.changed:
            return MemoryReader(self, self.groups.setdefault(group, Group(self)))

    def forget(self, place: TopicPartition, begin: int) -> None:
        """As retention does: offsets before `begin` are gone."""
        with self.changed:
            self.begins[place] = begin

    def recreate(self, topic: str) -> None:
        """Delete the topic and make it again, empty."""
        with self.changed:
            self.topic_ids[topic] += " again"
            for place in self.logs:
                if place.topic == topic:
                    self.logs[place], self.begins[place] = [], 0

    def grow(self, topic: str) -> None:
        """One more partition."""
        with self.changed:
            place = TopicPartition(topic, sum(place.topic == topic for place in self.logs))
            self.logs[place], self.begins[place] = [], 0
            for group in self.groups.values():
                group.rebalance()

    def append(self, message: Outgoing) -> Receipt | None:
        """Where the message is in the log; None while the broker is away, or without the topic."""
        with self.changed:
            count = sum(place.topic == message.topic for place in self.logs)
            if self.away or not count:
                return None
            place = TopicPartition(message.topic, zlib.crc32(message.key) % count)
            log = self.logs[place]
            receipt = Receipt(*place, len(log), int(self.clock.now * 1000))
            log.append(Message(*place, len(log), message.key, message.value, receipt.timestamp_ms))
            self.changed.notify_all()
            return receipt


class Group:
    """Who holds what. Partitions move only after every member that lives has let go of its own, as in Kafka's eager
    protocol."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._seen: dict[MemoryReader, float] = {}
        self._awaited: set[MemoryReader] = set()
        self._settled = True
        self._numbers = itertools.count()
        self.held: dict[MemoryReader, frozenset[TopicPartition]] = {}

    def next_number(self) -> int:
        return next(self._numbers)

    def touch(self, member: "MemoryReader") -> None:
        """A sign of life: joins the member when it is not in, expels the silent, hands out what is free."""
        now = self._broker.clock.now
        for silent in [who for who, at in self._seen.items() if now - at > self._broker.session_timeout_s]:
            self.leave(silent)
        if member not in self._seen:
            self.rebalance()
        self._seen[member] = now
        self._awaited.discard(member)
        if not self._settled and not self._awaited:
            self._assign()

    def leave(self, member: "MemoryReader") -> None:
        if self._seen.pop(member, None) is not None:
            self.held.pop(member, None)
            self._awaited.discard(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Take everything back, to hand it out anew."""
        self._awaited |= {member for member in self._seen if self.held.get(member)}
        self.held = {}
        self._settled = False
        self._broker.changed.notify_all()

    def _assign(self) -> None:
        members = sorted(self._seen, key=lambda member: member.number)
        for index, member in enumerate(members):
            self.held[member] = frozenset(
                place
                for place in self._broker.logs
                if place.topic in member.topics and place.partition % len(members) == index
            )
        self._settled = True
        self._broker.changed.notify_all()


class MemoryWriter:
    """A `Producer`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        require_size(messages)
        receipts = [self._broker.append(message) for message in messages]
        missing = [index for index, receipt in enumerate(receipts) if receipt is None]
        if missing:
            raise NotAcknowledged(tuple(missing), f"{len(missing)} of {len(messages)} messages were not acknowledged")
        return [receipt for receipt in receipts if receipt]

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryReader:
    """A `Consumer`."""

    def __init__(self, broker: MemoryBroker, group: Group) -> None:
        self._broker = broker
        self._group = group
        self._callbacks: tuple[OnAssigned, OnRevoked] | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._known: frozenset[TopicPartition] | None = frozenset()
        self.number = group.next_number()
        self.topics: frozenset[str] = frozenset()

    def subscribe(self, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        self.topics = frozenset(topics)
        self._callbacks = on_assigned, on_revoked

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        if self._callbacks is None:
            raise ValueError("poll before subscribe")
        with self._broker.changed:
            messages: list[Message] = []

            def something() -> bool:
                nonlocal messages
                messages = self._poll_once(max_records)
                return bool(messages)

            self._broker.changed.wait_for(something, timeout_s)
            return messages

    def seek(self, place: TopicPartition, start: Start) -> None:
        if place not in self._positions:
            raise ValueError(f"{place.topic}[{place.partition}] is not assigned")
        self._positions[place] = start.offset

    def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        self._require_broker()
        return [place for place in self._broker.logs if place.topic in topics]

    def offsets_at(self, places: Sequence[TopicPartition], timestamp_ms: int) -> dict[TopicPartition, int]:
        self._require_broker()
        found = {}
        for place in places:
            log, begin = self._broker.logs[place], self._broker.begins[place]
            later = (message.offset for message in log[begin:] if message.timestamp_ms >= timestamp_ms)
            found[place] = next(later, len(log))
        return found

    def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._require_broker()
        return {place: len(self._broker.logs[place]) for place in places}

    def extents(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Extent]:
        ids, begins = self._broker.topic_ids, self._broker.begins
        ends = self.end_offsets(places)
        return {place: Extent(ids[place.topic], begins[place], ends[place]) for place in places}

    def close(self) -> None:
        with self._broker.changed:
            self._group.leave(self)
            self._positions = {}
            self._known = frozenset()

    def _require_broker(self) -> None:
        if self._broker.away:
            raise BackendAway("kafka", "Kafka cannot be reached")

    def _poll_once(self, max_records: int) -> list[Message]:
        if self._broker.away:
            return []
        self._join()
        messages: list[Message] = []
        for place, position in self._positions.items():
            if not self._broker.begins[place] <= position <= len(self._broker.logs[place]):
                raise PositionLost(f"out of range: {position} of {place.topic}/{place.partition}")
            found = self._broker.logs[place][position : position + max_records - len(messages)]
            messages += found
            self._positions[place] += len(found)
        return messages

    def _join(self) -> None:
        """Follow the group: let go of what it has taken, take what it gives."""
        assert self._callbacks is not None
        on_assigned, on_revoked = self._callbacks
        given = self._group.held.get(self)
        if given is None and self._positions:
            lost = frozenset(self._positions)
            self._positions = {}
            self._known = frozenset()
            on_revoked(lost)
        self._group.touch(self)
        given = self._group.held.get(self)
        if given and given != self._known:
            starts = on_assigned(given)
            begins = self._broker.begins
            self._positions = {place: starts.get(place, Start(begins[place])).offset for place in sorted(given)}
        self._known = given
