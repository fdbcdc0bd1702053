"""Pure: feedback events to aggregates. No event order, repetition or batching changes the result.

`merge` is associative, commutative and idempotent, and `fold` of events is the merge of each one's own aggregate. The
statements in `queries.sql` merge into the stored rows by the same rules.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from schemas.events import FourEvent, PairEvent, PlayEvent, RatingEvent, TrackFailedEvent, TrackMade, TrackMadeEvent

Event = PlayEvent | RatingEvent | PairEvent | FourEvent | TrackMadeEvent | TrackFailedEvent
Interval = tuple[int, int]  # [from, to) in milliseconds of the track


class ListenerTrack(NamedTuple):
    listener_id: UUID
    track_id: UUID


class Play(NamedTuple):
    """`heard`: disjoint intervals, none touching another, in order."""

    heard: tuple[Interval, ...]
    reached_ms: int
    first_at: datetime
    last_at: datetime


class Stars(NamedTuple):
    """Ordered by time, then event id: the greatest counts. `received_at` is when it came to the gateway."""

    rated_at: datetime
    event_id: UUID
    stars: int
    received_at: datetime


class Vote(NamedTuple):
    """Ordered by time, then event id: the least counts."""

    voted_at: datetime
    event_id: UUID
    listener_id: UUID
    choice: str


class Pick(NamedTuple):
    """Ordered by time, then event id: the greatest counts."""

    picked_at: datetime
    event_id: UUID
    listener_id: UUID
    choice: str
    received_at: datetime


class Made(NamedTuple):
    """The latest by time and checksum counts; a track that was made twice has one making that people hear."""

    made_at: datetime
    listener_id: UUID
    track: TrackMade


class Failure(NamedTuple):
    """Ordered by time, then code: the greatest counts."""

    failed_at: datetime
    code: str
    listener_id: UUID
    arm: str
    release_id: UUID | None


@dataclass(frozen=True)
class Aggregates:
    plays: dict[ListenerTrack, Play] = field(default_factory=dict)
    ratings: dict[ListenerTrack, Stars] = field(default_factory=dict)
    votes: dict[UUID, Vote] = field(default_factory=dict)
    picks: dict[UUID, Pick] = field(default_factory=dict)
    tracks: dict[UUID, Made] = field(default_factory=dict)
    failures: dict[UUID, Failure] = field(default_factory=dict)


def fold(events: Iterable[Event]) -> Aggregates:
    """What these events say together."""
    state = Aggregates()
    for event in events:
        _add(state, event)
    return state


def merge(one: Aggregates, other: Aggregates) -> Aggregates:
    """What both say together."""
    state = Aggregates(
        dict(one.plays), dict(one.ratings), dict(one.votes), dict(one.picks), dict(one.tracks), dict(one.failures)
    )
    _each(state.plays, other.plays, _joined)
    _each(state.ratings, other.ratings, max)
    _each(state.votes, other.votes, min)
    _each(state.picks, other.picks, max)
    _each(state.tracks, other.tracks, _latest_made)
    _each(state.failures, other.failures, _latest_failure)
    return state


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The union as disjoint intervals in order; touching ones become one, as in a Postgres multirange."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def _add(state: Aggregates, event: Event) -> None:
    """Tracks of a four are left out: they stand in no comparison of arms."""
    match event:
        case PlayEvent(data=data):
            heard = ((data.heard.from_ms, data.heard.to_ms),) if data.heard else ()
            reached = max(data.position_ms, data.heard.to_ms if data.heard else 0)
            play = Play(heard, reached, event.happened_at, event.happened_at)
            _put(state.plays, ListenerTrack(event.subject, data.track_id), play, _joined)
        case RatingEvent(data=data):
            stars = Stars(event.happened_at, event.id, data.stars, event.arrived_at)
            _put(state.ratings, ListenerTrack(event.subject, data.track_id), stars, max)
        case PairEvent(data=data):
            _put(state.votes, data.pair_id, Vote(event.happened_at, event.id, event.subject, data.choice), min)
        case FourEvent(data=data):
            pick = Pick(event.happened_at, event.id, event.subject, data.choice, event.arrived_at)
            _put(state.picks, data.four_id, pick, max)
        case TrackMadeEvent(data=data) if data.four_id is None:
            _put(state.tracks, data.track_id, Made(event.happened_at, event.subject, data), _latest_made)
        case TrackFailedEvent(data=data) if data.four_id is None:
            failure = Failure(event.happened_at, data.code, event.subject, data.arm, data.release_id)
            _put(state.failures, data.track_id, failure, _latest_failure)


def _joined(one: Play, other: Play) -> Play:
    return Play(
        union((*one.heard, *other.heard)),
        max(one.reached_ms, other.reached_ms),
        min(one.first_at, other.first_at),
        max(one.last_at, other.last_at),
    )


def _latest_made(one: Made, other: Made) -> Made:
    return max(one, other, key=lambda made: (made.made_at, made.track.sha256))


def _latest_failure(one: Failure, other: Failure) -> Failure:
    return max(one, other, key=lambda failure: (failure.failed_at, failure.code))


K = TypeVar("K")
V = TypeVar("V")


def _put(rows: dict[K, V], key: K, value: V, rule: Callable[[V, V], V]) -> None:
    before = rows.setdefault(key, value)
    if before is not value:
        rows[key] = rule(before, value)


def _each(rows: dict[K, V], others: dict[K, V], rule: Callable[[V, V], V]) -> None:
    for key, value in others.items():
        _put(rows, key, value, rule)
