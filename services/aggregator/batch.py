"""Pure: polled messages to what one transaction writes. A message that cannot be read is set aside, never dropped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from schemas.events import EARLIEST, FEEDBACK_EVENT, LATEST
from schemas.topics import topic_of
from services.aggregator.fold import Event
from services.errors import InvalidMessage
from services.seals import Keys, KeyThrownAway, Unopenable, is_sealed, opened
from services.streams import Message, TopicPartition


class Arrival(NamedTuple):
    """An event, and the message that it was read from, opened."""

    message: Message
    event: Event


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
        read = [*(message for message, _ in self.arrivals), *(message for message, _ in self.dead)]
        every = sorted([*read, *self.erased], key=itemgetter(0, 1, 2))
        return [list(run) for _, run in groupby(every, key=itemgetter(0, 1))]

    def buried(self, reason: str) -> "Batch":
        """The same with every event set aside as a dead letter."""
        letters = [DeadLetter(message, reason) for message, _ in self.arrivals]
        return replace(self, arrivals=[], dead=[*self.dead, *letters])


def sort_out(messages: Iterable[Message], keys: Keys = MappingProxyType({})) -> Batch:
    """Events, dead letters and what nobody can read any more, in the order of the messages; `keys` open the sealed."""
    arrivals: list[Arrival] = []
    dead: list[DeadLetter] = []
    erased: list[Message] = []
    last: dict[tuple[object, ...], Message] = {}
    plain: dict[TopicPartition, int] = {}
    for message in messages:
        last[message[:2]] = message
        if not is_sealed(message.value):
            plain[message.place] = message.next_offset
        clear = message
        try:
            clear = opened(message, keys)
            arrivals.append(Arrival(clear, read_event(clear)))
        except KeyThrownAway:
            erased.append(message)
        except Unopenable as error:
            dead.append(DeadLetter(message, str(error)))
        except InvalidMessage as error:
            dead.append(DeadLetter(clear, error.reason))
    reached = {message.place: message.next_offset for message in last.values()}
    return Batch(arrivals, dead, reached, erased, plain)


def halves(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Two parts to be written one after the other."""
    middle = len(messages) // 2
    return messages[:middle], messages[middle:]


def read_event(message: Message) -> Event:
    """The event of a message.

    Raises:
        InvalidMessage: it has no value, is no JSON, no event of a known type, has another key than its subject, or
            lies in a topic of another family, or has a time that no table takes.
    """
    if message.value is None:
        raise _invalid(message, "the message has no value")
    try:
        event = FEEDBACK_EVENT.validate_json(message.value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(message, f"{where}: {first['msg']}" if where else first["msg"]) from error
    if message.key != str(event.subject).encode():
        raise _invalid(message, "the key is not the subject")
    if topic_of(event.type) != message.topic:
        raise _invalid(message, f"{event.type} does not belong in {message.topic}")
    for moment in (event.happened_at, event.arrived_at):
        if not EARLIEST <= moment <= LATEST:
            raise _invalid(message, f"{moment.isoformat()} is no time between {EARLIEST.year} and {LATEST.year}")
    return event


def _invalid(message: Message, reason: str) -> InvalidMessage:
    return InvalidMessage(message.topic, message.partition, message.offset, reason)
