"""Pure: polled messages to what one transaction writes. A message that cannot be read is set aside, never dropped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from schemas.events import EARLIEST, FEEDBACK_EVENT, LATEST
from schemas.topics import topic_of
from services.aggregator.fold import Event
from services.errors import InvalidMessage
from services.streams import Message, TopicPartition


class Arrival(NamedTuple):
    """An event, and where it was read."""

    message: Message
    event: Event


class DeadLetter(NamedTuple):
    message: Message
    reason: str


@dataclass(frozen=True)
class Batch:
    """`reached` is the next offset of each partition once the batch is written."""

    arrivals: Sequence[Arrival]
    dead: Sequence[DeadLetter]
    reached: dict[TopicPartition, int]

    @property
    def messages(self) -> list[Message]:
        """All of them, those of each partition in the order of their offsets."""
        every = [*(message for message, _ in self.arrivals), *(message for message, _ in self.dead)]
        return sorted(every, key=lambda message: (message.place, message.offset))

    def buried(self, reason: str) -> "Batch":
        """The same with every event set aside as a dead letter."""
        letters = [DeadLetter(message, reason) for message, _ in self.arrivals]
        return Batch([], [*self.dead, *letters], self.reached)


def sort_out(messages: Iterable[Message]) -> Batch:
    """Events and dead letters, in the order of the messages."""
    arrivals: list[Arrival] = []
    dead: list[DeadLetter] = []
    reached: dict[TopicPartition, int] = {}
    for message in messages:
        try:
            arrivals.append(Arrival(message, read_event(message)))
        except InvalidMessage as error:
            dead.append(DeadLetter(message, error.reason))
        reached[message.place] = message.next_offset
    return Batch(arrivals, dead, reached)


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
