"""The vocabulary of event logs, without a client library.

A *topic* is split into *partitions*, each an append-only sequence of messages; a message's *offset* is its place in
its partition. Messages with one key share a partition, so they keep their order.

A consumer's *position* in a partition is the offset it reads next. The *stored offset* is where reading goes on after a
restart; it belongs to whoever applies the messages (for us: the database that holds the result, in the transaction
that holds it), never to the broker. Both are always *next* offsets: one past the last message, `Message.next_offset`.
The *end offset* is the next offset that will be written; end minus stored offset is the *lag*.

A *group* shares the partitions of a topic among its members. Between one assignment and the next a partition belongs to
one member, but a member can be late to notice that it has lost one (a *zombie*): only the store can tell, by refusing
to move a stored offset that is not where the writer believes it to be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

MAX_MESSAGE_BYTES: Final = 1_000_000


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Message(NamedTuple):
    """A message as read. `timestamp_ms` is the writer's clock, milliseconds since 1970; `epoch` that of the leader that
    took it in, -1 where it is not told."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    epoch: int = -1

    @property
    def place(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def next_offset(self) -> int:
        return self.offset + 1


class Outgoing(NamedTuple):
    """A message to be written. `kind` is what whoever counts messages counts it as; only with a seal is it written."""

    topic: str
    key: bytes
    value: bytes
    kind: str = ""


class Receipt(NamedTuple):
    """Where a message that was confirmed is; `timestamp_ms` is the one that its readers see."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Start(NamedTuple):
    """Where to begin reading: at `offset`, when the message before it is of this leader's epoch. -1: whatever it is."""

    offset: int
    epoch: int = -1


class Extent(NamedTuple):
    """What a partition holds now: the offsets from `begin` to before `end`, in the topic of this identity, which is
    another when a topic is deleted and made again. Empty where the broker does not tell."""

    topic_id: str
    begin: int
    end: int


class PositionLost(Exception):
    """What was to be read next is not in the log: it was forgotten, or the log is not the one that was read before.

    `cut` has, where it is known, the offset up to which the log is still the same.
    """

    def __init__(self, reason: str, cut: Mapping[TopicPartition, int] | None = None) -> None:
        super().__init__(reason)
        self.cut = dict(cut or {})


OnAssigned = Callable[[frozenset[TopicPartition]], Mapping[TopicPartition, Start]]
OnRevoked = Callable[[frozenset[TopicPartition]], None]


def require_size(messages: Sequence[Outgoing]) -> None:
    """For implementations of `Producer`.

    Raises:
        ValueError: key and value of a message are more than `MAX_MESSAGE_BYTES` together.
    """
    for index, message in enumerate(messages):
        size = len(message.key) + len(message.value)
        if size > MAX_MESSAGE_BYTES:
            raise ValueError(f"message {index} has {size} bytes; at most {MAX_MESSAGE_BYTES} are accepted")


class Producer(Protocol):
    """Writes messages; may be used from several threads."""

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        """Write all of them; returns, in their order, when every one is on all in-sync replicas. Blocks for some
        seconds at most.

        Raises:
            NotAcknowledged: some were not confirmed in time; `missing` has their indices. The others are written.
            ValueError: a message is larger than `MAX_MESSAGE_BYTES`; none was written.
        """

    def close(self) -> None: ...


class Consumer(Protocol):
    """One member of a group; belongs to one thread."""

    def subscribe(self, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        """Join the group. Both callbacks are called from within `poll`, in the caller's thread.

        `on_assigned` gets the partitions that are new to this member and answers where to start in each; one that it
        leaves out is read from the beginning. No message of a partition comes before its `on_assigned` has
        returned; when it raises, so does `poll`, and the next `poll` calls it again. `on_revoked` gets the partitions
        that this member has lost.
        """

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        """The next messages, at most `max_records`, in order within each partition; [] when none came in time.

        An absent broker is no error here: nothing arrives until it is back. What was read when a callback raised
        comes with the next call, less what belongs to partitions that were lost meanwhile.

        Raises:
            BackendAway: the group could never be joined because no broker answers.
            PositionLost: a position is not in the log any more. It is never passed over: close, and look again.
        """

    def seek(self, place: TopicPartition, start: Start) -> None:
        """Read on from there.

        Raises:
            ValueError: the partition is not this member's.
        """

    def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """Every partition of these topics, as many as there are now: some may have been added.

        Raises:
            BackendAway: no broker answered in time, or one of the topics does not exist.
        """

    def offsets_at(self, places: Sequence[TopicPartition], timestamp_ms: int) -> dict[TopicPartition, int]:
        """The offset of each partition's first message that is not older than this; the end where there is none.

        Raises:
            BackendAway: no broker answered in time.
        """

    def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next message of each partition will get.

        Raises:
            BackendAway: no broker answered in time.
        """

    def extents(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Extent]:
        """What each partition holds.

        Raises:
            BackendAway: no broker answered in time.
        """

    def close(self) -> None:
        """Leave the group, so that others take over at once. `on_revoked` is not called. A later `poll` joins anew."""
