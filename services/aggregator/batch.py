"""Pure: polled messages to what one transaction writes. A message that cannot be read is set aside, never dropped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from services.aggregator.reading import Arrival, read_message
from services.errors import InvalidMessage
from services.seals import Keys, KeyThrownAway, Unopenable, is_sealed, opened
from services.streams import Message, TopicPartition


class DeadLetter(NamedTuple):
    message: Message
    reason: str


@dataclass(frozen=True)
class Batch:
    """`reached` is the next offset of each partition once the batch is written. Of `erased` messages the key was thrown
    away. `plain` is, where there was one, the offset after the last message that was not sealed."""

    arrivals: Sequence[Arrival]
    dead: Sequence[DeadLetter]
    reached: dict[TopicPartition, int]
    erased: Sequence[Message] = ()
    plain: Mapping[TopicPartition, int] = field(default_factory=dict)

    @property
    def runs(self) -> list[list[Message]]:
        """All messages, for each partition one list in the order of their offsets."""
        read = [*(each.message for each in self.arrivals), *(message for message, _ in self.dead)]
        every = sorted([*read, *self.erased], key=itemgetter(0, 1, 2))
        return [list(run) for _, run in groupby(every, key=itemgetter(0, 1))]

    def buried(self, reason: str) -> "Batch":
        """The same with every event set aside as a dead letter."""
        letters = [DeadLetter(each.message, reason) for each in self.arrivals]
        return replace(self, arrivals=[], dead=[*self.dead, *letters])


def sort_out(messages: Iterable[Message], keys: Keys = MappingProxyType({})) -> Batch:
    """Events, dead letters and what nobody can read any more, in the order of the messages; `keys` open the sealed."""
    arrivals: list[Arrival] = []
    dead: list[DeadLetter] = []
    erased: list[Message] = []
    last: dict[tuple[object, ...], Message] = {}
    last_plain: dict[tuple[object, ...], Message] = {}
    for message in messages:
        last[message[:2]] = message
        if not is_sealed(message.value):
            last_plain[message[:2]] = message
        clear = message
        try:
            clear = opened(message, keys)
            arrivals.append(read_message(clear))
        except KeyThrownAway:
            erased.append(message)
        except Unopenable as error:
            dead.append(DeadLetter(message, str(error)))
        except InvalidMessage as error:
            dead.append(DeadLetter(clear, error.reason))
    reached, plain = ({message.place: message.next_offset for message in ends.values()} for ends in (last, last_plain))
    return Batch(arrivals, dead, reached, erased, plain)


def halves(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Two parts to be written one after the other."""
    middle = len(messages) // 2
    return messages[:middle], messages[middle:]
