"""Which events of a batch are taken and what is wrong with the others. Pure: what is known of listeners, tracks,
pairs and fours is handed in. It does not fold events; repeats are welcome, because folding ignores them.

What is judged is the JSON that will be sent, with the reader's own eyes: what is accepted here can be read there.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from schemas.api import RejectedEvent
from schemas.base import Problem
from schemas.events import LISTENER_EVENT, FourEvent, PairEvent, PlayEvent, RatingEvent
from services.gateway.clocks import Implausible, corrected
from services.gateway.problems import from_validation

ListenerEvent = PlayEvent | RatingEvent | PairEvent | FourEvent

MAX_BATCH: Final = 500
MAX_EVENT_BYTES: Final = 256 * 1024
OVERSHOOT_MS: Final = 1000
OVERSHOOT_SHARE: Final = 0.01
_RESERVED: Final = re.compile(r"\s*encore\s*(/.*)?", re.IGNORECASE | re.DOTALL)
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class KnownTrack:
    """`seconds` is the actual length once ready; `is_of_four`: it is one of four takes to pick from."""

    listener_id: UUID
    seconds: float
    ready: bool
    created_at: datetime
    is_of_four: bool = False


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A pair, or a four."""

    listener_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What exists among the things that a batch speaks of."""

    listeners: AbstractSet[UUID] = frozenset()
    tracks: Mapping[UUID, KnownTrack] = field(default_factory=dict)
    pairs: Mapping[UUID, KnownSet] = field(default_factory=dict)
    fours: Mapping[UUID, KnownSet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """An event, and the JSON object as it was sent: with what newer clients add to it."""

    event: ListenerEvent
    item: Mapping[str, Any]


class Refused(Exception):
    """The event is not taken."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read(items: Sequence[object]) -> tuple[dict[int, Given], list[RejectedEvent]]:
    """The events that have the right shape, by their index, and the others with what is wrong with them."""
    events: dict[int, Given] = {}
    rejected: list[RejectedEvent] = []
    for index, item in enumerate(items):
        try:
            events[index] = _read(item)
        except Refused as refused:
            rejected.append(RejectedEvent(index=index, id=_id_of(item), problem=refused.problem))
    return events, rejected


def happened_at(event: ListenerEvent, known: Known, received: datetime, max_age: timedelta) -> datetime:
    """The event's corrected time, if it fits what is known.

    Raises:
        Refused: it does not.
    """
    if _RESERVED.fullmatch(event.source):
        raise _refused("reserved_source", "Only Encore itself writes as encore.", "source", "the name of your player")
    if event.subject not in known.listeners:
        raise _refused("unknown_listener", "No such listener.", "subject", "the id of a listener")
    since = _made_at(event, known)
    try:
        return corrected(event.time, event.sentat, received=received, since=since, max_age=max_age)
    except Implausible as error:
        raise _refused(error.code, str(error), "time", error.expected) from error


def overshoot_ms(length_ms: int) -> int:
    """How far a position may lie beyond the end: players round, and decoders pad."""
    return max(OVERSHOOT_MS, math.ceil(length_ms * OVERSHOOT_SHARE))


def length_ms(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def as_json(item: object) -> bytes:
    """The JSON of an event as the log holds it.

    Raises:
        Refused: some value of it cannot be written, or could not be read or stored by others.
    """
    try:
        text = json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        value = text.encode()
    except UnicodeEncodeError as error:
        raise _refused("invalid_value", "A text holds half a character.", None, "no lone surrogates") from error
    except ValueError as error:
        raise _refused("out_of_range", "A number is too large.", None, "numbers of at most 1.7e308") from error
    except RecursionError as error:
        raise _too_deep() from error
    if _NUL.search(text):
        raise _refused("invalid_value", "A text holds a NUL character.", None, "texts without NUL")
    if len(value) > MAX_EVENT_BYTES:
        raise _refused("too_large", "The event is too large.", None, f"at most {MAX_EVENT_BYTES} bytes of JSON")
    return value


def _read(item: object) -> Given:
    value = as_json(item)
    try:
        event = LISTENER_EVENT.validate_json(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        # It was written as JSON just now: that it cannot be read as such is its depth.
        raise (_too_deep() if first["type"] == "json_invalid" else Refused(from_validation(first))) from error
    assert isinstance(item, dict)
    given = item.get("sentat", item.get("sent_at"))
    if given is not None and event.sentat is None:
        raise _refused("wrong_type", "Input should be a time", "sentat", "a time such as 2026-01-01T12:00:00Z")
    return Given(event, item)


def _made_at(event: ListenerEvent, known: Known) -> datetime:
    """When what it speaks of was made."""
    match event:
        case PairEvent(data=data):
            return _of_set("pair", data.pair_id, known.pairs, event.subject)
        case FourEvent(data=data):
            return _of_set("four", data.four_id, known.fours, event.subject)
        case _:
            return _track(event, known)


def _of_set(kind: str, set_id: UUID, sets: Mapping[UUID, KnownSet], listener_id: UUID) -> datetime:
    found = sets.get(set_id)
    if found is None:
        raise _refused(f"unknown_{kind}", f"No such {kind}.", f"data.{kind}_id", f"the id of a {kind}")
    if found.listener_id != listener_id:
        expected = f"a {kind} that was made for this listener"
        raise _refused(f"not_your_{kind}", f"The {kind} was made for someone else.", f"data.{kind}_id", expected)
    return found.created_at


def _track(event: PlayEvent | RatingEvent, known: Known) -> datetime:
    track = known.tracks.get(event.data.track_id)
    if track is None:
        raise _refused("unknown_track", "No such track.", "data.track_id", "the id of a track")
    if track.listener_id != event.subject:
        expected = "a track that was made for this listener"
        raise _refused("not_your_track", "The track was made for someone else.", "data.track_id", expected)
    if not track.ready:
        raise _refused("track_not_ready", "The track has no audio yet.", "data.track_id", "a track that is ready")
    if isinstance(event, PlayEvent):
        _require_within(event, length_ms(track.seconds))
    elif track.is_of_four:
        expected = "a track on its own; of four takes one is picked"
        raise _refused("one_of_four", "One of four takes has no stars.", "data.track_id", expected)
    return track.created_at


def _require_within(event: PlayEvent, length: int) -> None:
    positions = {"data.position_ms": event.data.position_ms}
    if event.data.heard is not None:
        positions["data.heard.to_ms"] = event.data.heard.to_ms
    for name, position in positions.items():
        if position > length + overshoot_ms(length):
            raise _refused("beyond_track", "The position lies beyond the track's end.", name, f"at most {length}")


def _too_deep() -> Refused:
    return _refused("out_of_range", "The event is nested too deeply.", None, "at most 200 levels")


def _refused(code: str, message: str, name: str | None, expected: str) -> Refused:
    return Refused(Problem(code=code, message=message, field=name, expected=expected))


def _id_of(item: object) -> str | None:
    given = item.get("id") if isinstance(item, dict) else None
    return given[:64].encode(errors="replace").decode() if isinstance(given, str) else None
