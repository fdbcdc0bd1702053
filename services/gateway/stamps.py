"""What the gateway writes into a listener's event before it goes to the log. Pure.

Everything else stays as it was sent, also what this gateway does not know: the log is read by newer readers.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.events import PlayEvent
from schemas.topics import topic_of
from services.gateway.intake import Given, Known, as_json, length_ms
from services.streams import Outgoing

_LONGEST_SOURCE: Final = 200  # of the published schema


def stamped(given: Given, known: Known, received: datetime, happened: datetime) -> Outgoing:
    """The record of an event that fits what is known.

    Args:
        received: when it came.
        happened: its corrected time.
    """
    event = given.event
    item = dict(given.item) | {
        "source": source_of(event.subject, event.source),
        "receivedat": received.isoformat(),
        "correctedtime": happened.isoformat(),
    }
    if isinstance(event, PlayEvent):
        item["data"] = _within(item["data"], length_ms(known.tracks[event.data.track_id].seconds))
    return Outgoing(topic_of(event.type), str(event.subject).encode(), as_json(item), event.type)


def source_of(listener_id: UUID, source: str) -> str:
    """The listener's own namespace: no two listeners share an identity, and none has one of ours."""
    prefix = f"listeners/{listener_id}/"
    if len(prefix) + len(source) <= _LONGEST_SOURCE:
        return prefix + source
    return prefix + hashlib.sha256(source.encode()).hexdigest()


def _within(data: Mapping[str, Any], length: int) -> dict[str, Any]:
    """Positions a little beyond the end are at the end; a stretch that lies wholly beyond it was not heard."""
    within = dict(data) | {"position_ms": min(data["position_ms"], length)}
    heard = data.get("heard")
    if heard is not None and heard["to_ms"] > length:
        within["heard"] = {**heard, "to_ms": length} if heard["from_ms"] < length else None
    return within
