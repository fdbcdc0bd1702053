"""A product's history of its listeners' own songs: rows of a file to events of the log. Pure.

The same row has the same ids whenever it is read, so a file that is brought again, or anew after a stop, adds nothing.
A song enters the log as a track of no arm; what was done with it is then feedback like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple, Self
from uuid import UUID

from pydantic import Field, ValidationError, model_validator

from schemas.base import WHOLE, Frozen, Moment, Problem, Uuid
from schemas.events import (
    EARLIEST,
    Heard,
    Playback,
    PlayEvent,
    Rating,
    RatingEvent,
    TrackMade,
    TrackMadeEvent,
)
from services.gateway.intake import Given, Known, KnownTrack, ListenerEvent, length_ms, overshoot_ms
from services.gateway.outbox import outgoing
from services.gateway.problems import from_validation
from services.gateway.stamps import stamped
from services.identifiers import derived_uuid7
from services.streams import Outgoing

SOURCE: Final = "encore/history"
COMPLETED_SHARE: Final = 0.95
"""From this part of a song on a play is told as completed, as where plays are counted."""


class PastRow(Frozen):
    """One row: when a listener played (`heard_ms`, from the beginning) or rated (`stars`) a song of theirs."""

    listener_id: Uuid
    song_id: Uuid
    time: Moment
    stars: Annotated[int, Field(ge=1, le=5), WHOLE] | None = None
    heard_ms: Annotated[int, Field(ge=1, le=3_600_000), WHOLE] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.stars is None and self.heard_ms is None:
            raise ValueError("stars or heard_ms, or both, are expected")
        return self


class Song(NamedTuple):
    song_id: UUID
    listener_id: UUID
    seconds: float
    features_url: str
    sha256: str
    created_at: datetime


class Bad(NamedTuple):
    """What is wrong with the row on a line, the first being 1."""

    line: int
    problem: Problem

    def __str__(self) -> str:
        wrong = self.problem
        return f"line {self.line}: {wrong.field or 'row'}: {wrong.message} Expected: {wrong.expected}."


class Place(NamedTuple):
    """Where history is brought to: `about` names it in the log, `received` is now."""

    about: str
    received: datetime
    max_age: timedelta


@dataclass(frozen=True)
class Taken:
    """What rows become. Of two kinds nothing is made: `left_out` are of who did not agree to training, for which alone
    history is brought; `without_song` speak of what nobody brought to Encore, which has no features to learn from."""

    messages: list[Outgoing] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    left_out: int = 0
    without_song: int = 0


def read_row(line: int, item: object) -> PastRow | Bad:
    """A row as it was written, or what is wrong with it."""
    try:
        return PastRow.model_validate(item, strict=True)
    except ValidationError as error:
        return Bad(line, from_validation(error.errors()[0]))


def taken(
    rows: Sequence[tuple[int, PastRow]], may_train: Mapping[UUID, bool], songs: Mapping[UUID, Song], place: Place
) -> Taken:
    """Messages of the rows that fit what is known, each song before what was done with it.

    Args:
        rows: with their lines.
        may_train: of each listener of the product.
        songs: those that the rows speak of, of whomever.
    """
    events: list[Outgoing] = []
    bad: list[Bad] = []
    used: dict[UUID, Song] = {}
    left_out = without_song = 0
    for line, row in rows:
        song = songs.get(row.song_id)
        wrong = _wrong(row, row.listener_id in may_train, song, place)
        if wrong is not None:
            bad.append(Bad(line, wrong))
        elif not may_train[row.listener_id]:
            left_out += 1
        elif song is None:
            without_song += 1
        else:
            used[song.song_id] = song
            events.extend(_stamped(event, song, place) for event in _events(row, song, place.about))
    return Taken([*(outgoing(_made(song)) for song in used.values()), *events], bad, left_out, without_song)


def _wrong(row: PastRow, known: bool, song: Song | None, place: Place) -> Problem | None:
    if not known:
        return _problem("unknown_listener", "No such listener.", "listener_id", "a listener of this product")
    if song is not None and song.listener_id != row.listener_id:
        return _problem("unknown_song", "No such song.", "song_id", "a song that this listener brought")
    if row.time > place.received:
        return _problem("in_the_future", "It has not happened yet.", "time", "a time in the past")
    if row.time < place.received - place.max_age:
        expected = f"a time after {place.received - place.max_age:%Y-%m-%d}"
        return _problem("too_old", "It lies too far back.", "time", expected)
    if song is None:
        return None
    length = length_ms(song.seconds)
    if row.heard_ms is not None and row.heard_ms > length + overshoot_ms(length):
        return _problem("beyond_track", "More was heard than the song has.", "heard_ms", f"at most {length}")
    return None


def _events(row: PastRow, song: Song, about: str) -> list[ListenerEvent]:
    events: list[ListenerEvent] = []
    same = {"source": f"history/{about}", "subject": row.listener_id, "time": row.time}
    seed = f"history {about} {row.listener_id} {row.song_id} {row.time.timestamp()}"
    if row.heard_ms is not None:
        event_id = derived_uuid7(row.time, f"{seed} heard {row.heard_ms}")
        whole = row.heard_ms >= COMPLETED_SHARE * length_ms(song.seconds)
        heard = Playback(
            play_id=event_id,
            track_id=row.song_id,
            position_ms=row.heard_ms,
            heard=Heard(from_ms=0, to_ms=row.heard_ms),
        )
        kind = "encore.play.completed" if whole else "encore.play.interrupted"
        events.append(PlayEvent.model_validate({**same, "id": event_id, "type": kind, "data": heard}))
    if row.stars is not None:
        event_id = derived_uuid7(row.time, f"{seed} stars {row.stars}")
        data = Rating(track_id=row.song_id, stars=row.stars)
        events.append(RatingEvent.model_validate({**same, "id": event_id, "data": data}))
    return events


def _stamped(event: ListenerEvent, song: Song, place: Place) -> Outgoing:
    known = Known(tracks={song.song_id: KnownTrack(song.listener_id, song.seconds, True, EARLIEST)})
    item = event.model_dump(mode="json", exclude_none=True)
    return stamped(Given(event, item), known, place.received, event.time)


def _made(song: Song) -> TrackMadeEvent:
    return TrackMadeEvent(
        id=derived_uuid7(song.created_at, f"catalogue {song.song_id}"),
        source=SOURCE,
        subject=song.listener_id,
        time=song.created_at,
        data=TrackMade(
            track_id=song.song_id,
            arm="catalogue",
            propensity=1.0,
            prompt="",
            seconds=song.seconds,
            features_url=song.features_url,
            sha256=song.sha256,
        ),
    )


def _problem(code: str, message: str, name: str, expected: str) -> Problem:
    return Problem(code=code, message=message, field=name, expected=expected)
