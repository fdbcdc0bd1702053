"""Which events of a batch are taken and what is wrong with the others. Pure: what is known of listeners, tracks and
pairs is handed in. It does not fold events; repeats are welcome, because folding ignores them."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from schemas.api import RejectedEvent
from schemas.base import Problem
from schemas.events import LISTENER_EVENT, PairEvent, PlayEvent, RatingEvent
from services.gateway.problems import from_validation

ListenerEvent = PlayEvent | RatingEvent | PairEvent

MAX_BATCH: Final = 500
CLOCK_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class KnownTrack:
    """`seconds` is the actual length once ready."""

    listener_id: UUID
    seconds: float
    ready: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What exists among the things that a batch speaks of; `pairs` tells whose each pair is."""

    listeners: AbstractSet[UUID] = frozenset()
    tracks: Mapping[UUID, KnownTrack] = field(default_factory=dict)
    pairs: Mapping[UUID, UUID] = field(default_factory=dict)


def read(items: Sequence[object]) -> tuple[dict[int, ListenerEvent], list[RejectedEvent]]:
    """The events that have the right shape, by their index, and the others with what is wrong with them."""
    events: dict[int, ListenerEvent] = {}
    rejected: list[RejectedEvent] = []
    for index, item in enumerate(items):
        try:
            events[index] = LISTENER_EVENT.validate_python(item)
        except ValidationError as error:
            rejected.append(RejectedEvent(index=index, id=_id_of(item), problem=from_validation(error.errors()[0])))
    return events, rejected


def refusal(event: ListenerEvent, known: Known, now: datetime) -> Problem | None:
    """What is wrong with an event of the right shape, or None."""
    if "\0" in event.source:
        return _problem("invalid_value", "The source holds a NUL character.", "source", "a text without NUL")
    if event.subject not in known.listeners:
        return _problem("unknown_listener", "No such listener.", "subject", "the id of a listener")
    if event.time > now + CLOCK_SKEW:
        expected = f"at most {CLOCK_SKEW.seconds // 60} minutes ahead of {now.isoformat(timespec='seconds')}"
        return _problem("in_the_future", "The event has not happened yet.", "time", expected)
    if isinstance(event, PairEvent):
        return _pair_refusal(event, known)
    track = known.tracks.get(event.data.track_id)
    if track is None:
        return _problem("unknown_track", "No such track.", "data.track_id", "the id of a track")
    if track.listener_id != event.subject:
        expected = "a track that was made for this listener"
        return _problem("not_your_track", "The track was made for someone else.", "data.track_id", expected)
    if not track.ready:
        return _problem("track_not_ready", "The track has no audio yet.", "data.track_id", "a track that is ready")
    return _position_refusal(event, track.seconds) if isinstance(event, PlayEvent) else None


def _pair_refusal(event: PairEvent, known: Known) -> Problem | None:
    owner = known.pairs.get(event.data.pair_id)
    if owner is None:
        return _problem("unknown_pair", "No such pair.", "data.pair_id", "the id of a pair")
    if owner != event.subject:
        expected = "a pair that was made for this listener"
        return _problem("not_your_pair", "The pair was made for someone else.", "data.pair_id", expected)
    return None


def _position_refusal(event: PlayEvent, seconds: float) -> Problem | None:
    length = math.ceil(seconds * 1000)
    if event.data.position_ms > length:
        return _beyond("data.position_ms", length)
    if event.data.heard is not None and event.data.heard.to_ms > length:
        return _beyond("data.heard.to_ms", length)
    return None


def _beyond(name: str, length: int) -> Problem:
    return _problem("beyond_track", "The position lies beyond the track's end.", name, f"at most {length}")


def _problem(code: str, message: str, name: str, expected: str) -> Problem:
    return Problem(code=code, message=message, field=name, expected=expected)


def _id_of(item: object) -> str | None:
    given = item.get("id") if isinstance(item, dict) else None
    return given[:64].encode(errors="replace").decode() if isinstance(given, str) else None
