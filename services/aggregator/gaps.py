"""Pure: where reading goes on, and what is missing before that. Nothing is passed over without being written down."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from services.streams import Extent, Message, Start, TopicPartition

Reason = Literal["expired", "recreated", "truncated", "skipped"]


class Gap(NamedTuple):
    """Offsets from `first` to before `next` of a partition that were never folded.

    expired: the log forgot them before they were read. recreated: the log is another one, and what the former held from
    `first` on is not known; `next` is None. truncated: the log lost its end and grew again from `first`; what was
    folded up to `next` stays folded. skipped: they were missing between two messages, or before the first.
    """

    place: TopicPartition
    first: int
    next: int | None
    reason: Reason

    @property
    def size(self) -> int:
        """How many offsets; 1 where it is not known."""
        return 1 if self.next is None else self.next - self.first


class Stored(NamedTuple):
    """Where reading was to go on, in which log; None where that was not written down."""

    next_offset: int
    topic_id: str | None = None
    epoch: int | None = None


def resumed(place: TopicPartition, stored: Stored, extent: Extent) -> tuple[Start, Gap | None]:
    """Where reading goes on in the log as it is now."""
    if stored.topic_id is not None and extent.topic_id and stored.topic_id != extent.topic_id:
        return Start(extent.begin), Gap(place, stored.next_offset, None, "recreated")
    if stored.next_offset < extent.begin:
        return Start(extent.begin), Gap(place, stored.next_offset, extent.begin, "expired")
    if stored.next_offset > extent.end:
        return Start(extent.end), Gap(place, extent.end, stored.next_offset, "truncated")
    return Start(stored.next_offset, -1 if stored.epoch is None else stored.epoch), None


def holes(run: Sequence[Message]) -> list[Gap]:
    """What is missing between messages of one partition, which come in the order of their offsets."""
    offsets = [message.offset for message in run]
    return [Gap(run[0].place, one + 1, other, "skipped") for one, other in pairwise(offsets) if other > one + 1]
