"""Pure: which of several messages under one identity counts. No order of arrival in the log changes the answer.

A client may send an event again, and a faulty one may send something else under a used identity. What counts is the
content with the least digest, and of its copies the one that came to the gateway first.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas.events import FEEDBACK_EVENT, FourEvent, PairEvent
from schemas.topics import LISTENERS
from services.aggregator.fold import Event
from services.aggregator.reading import Arrival, as_text
from services.streams import Message


class Identity(NamedTuple):
    """What makes an event the same event (CloudEvents 1.0, section 3.1.1)."""

    source: str
    id: UUID


class Key(NamedTuple):
    """Whose event it is, and the track, pair or four that it speaks of: the rows that it may have changed."""

    listener_id: UUID
    about: UUID


class Rank(NamedTuple):
    """Of several copies the least counts."""

    sha256: bytes
    received_at: datetime
    time: datetime


class Copy(NamedTuple):
    """One message under an identity."""

    arrival: Arrival
    identity: Identity
    rank: Rank

    @property
    def event(self) -> Event:
        return self.arrival.event

    @property
    def key(self) -> Key:
        return key_of(self.event)


def copies(arrivals: Iterable[Arrival]) -> list[Copy]:
    """The same with what is compared."""
    return [_copy(arrival) for arrival in arrivals]


def _copy(arrival: Arrival) -> Copy:
    message, event, data = arrival
    rank = Rank(digest(event.type, data), event.arrived_at, event.happened_at)
    return Copy(arrival, Identity(scoped(event.source, message), event.id), rank)


def best(group: Sequence[Copy]) -> Copy:
    """The one of a group with one identity that counts."""
    return min(group, key=lambda copy: copy.rank)


def scoped(source: str, message: Message) -> str:
    """The source that identifies: in the namespace of the listener, whom the key names, also where no gateway stamped
    it."""
    if message.topic not in LISTENERS:
        return source
    prefix = f"listeners/{(message.key or b'').decode()}/"
    return source if source.startswith(prefix) else prefix + source


def digest(kind: str, data: str) -> bytes:
    """Of what an event says: its times and extension attributes differ when it is sent again."""
    return hashlib.sha256(f"{kind}\n{data}".encode()).digest()


def key_of(event: Event) -> Key:
    match event:
        case PairEvent(data=data):
            return Key(event.subject, data.pair_id)
        case FourEvent(data=data):
            return Key(event.subject, data.four_id)
        case _:
            return Key(event.subject, event.data.track_id)


def stored_rank(row: dict[str, Any]) -> Rank:
    """Of a row of `feedback.events`; one from before contents were compared has no digest yet."""
    return Rank(row["sha256"] or digest(row["type"], as_text(row["data"])), row["received_at"], row["time"])


def stored_event(row: dict[str, Any]) -> Event:
    """The event of a row of `feedback.events`."""
    return FEEDBACK_EVENT.validate_python(
        {
            "id": row["id"],
            "source": row["source"][:200],  # one that was scoped here may be longer than what is published
            "subject": row["listener_id"],
            "time": row["time"],
            "receivedat": row["received_at"],
            "type": row["type"],
            "data": row["data"],
        }
    )
