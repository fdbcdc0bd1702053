"""Pure: a message that is not sealed to what it says."""

import json
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.events import EARLIEST, FEEDBACK_EVENT, LATEST
from schemas.topics import topic_of
from services.aggregator.fold import Event
from services.aggregator.plain import plain
from services.errors import InvalidMessage
from services.streams import Message

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Arrival(NamedTuple):
    """An event, and the message that it was read from, opened. `data` is its JSON with every field, those of later
    writers too."""

    message: Message
    event: Event
    data: str


def read_message(message: Message) -> Arrival:
    """What a message says.

    Raises:
        InvalidMessage: it has no value, is no JSON, no event of a known type, has another key than its subject, or
            lies in a topic of another family, or has a time that no table takes.
    """
    event, data = plain(message) or _validated(message)
    for moment in (event.happened_at, event.arrived_at):
        if not EARLIEST <= moment <= LATEST:
            raise _invalid(message, f"{moment.isoformat()} is no time between {EARLIEST.year} and {LATEST.year}")
    return Arrival(message, event, data)


def as_text(data: object) -> str:
    """One text for equal data."""
    return _ENCODER.encode(data)


def _validated(message: Message) -> tuple[Event, str]:
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
    return event, as_text(from_json(message.value)["data"])


def _invalid(message: Message, reason: str) -> InvalidMessage:
    return InvalidMessage(message.topic, message.partition, message.offset, reason)
