"""Feedback events for the aggregator's tests: hypothesis strategies, and seeded streams as listeners make them."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from schemas.events import (
    FourEvent,
    FourPick,
    Heard,
    PairEvent,
    PairVote,
    Playback,
    PlayEvent,
    Rating,
    RatingEvent,
    TrackFailed,
    TrackFailedEvent,
    TrackMade,
    TrackMadeEvent,
)
from schemas.topics import topic_of
from services.aggregator.fold import Event
from services.streams import Outgoing

SOURCE = "tests"
START = datetime(2026, 1, 1, tzinfo=UTC)
LISTENERS = [UUID(int=number) for number in range(1, 9)]
TRACKS = [UUID(int=1000 + number) for number in range(12)]
PAIRS = [UUID(int=2000 + number) for number in range(5)]
FOURS = [UUID(int=3000 + number) for number in range(5)]
TAKES = ("first", "third", "fourth", "none")


def uuid7(number: int) -> UUID:
    """The `number`th UUID of version 7."""
    return UUID(int=(number << 80) | (7 << 76) | (2 << 62) | number & (2**62 - 1))


def owner(track: UUID) -> UUID:
    """The listener that a track was made for."""
    return LISTENERS[track.int % len(LISTENERS)]


HALVES = {pair: own for pair in PAIRS if len(own := [track for track in TRACKS if owner(track) == owner(pair)]) == 2}
"""What the gateway makes of a listener's two tracks."""


def play(number: int, track: UUID, at: datetime, position: int, heard: tuple[int, int] | None) -> PlayEvent:
    stretch = Heard(from_ms=heard[0], to_ms=heard[1]) if heard else None
    data = Playback(play_id=UUID(int=1), track_id=track, position_ms=position, heard=stretch)
    return PlayEvent(
        id=uuid7(number), source=SOURCE, subject=owner(track), time=at, type="encore.play.heartbeat", data=data
    )


def rating(number: int, track: UUID, at: datetime, stars: int) -> RatingEvent:
    data = Rating(track_id=track, stars=stars)
    return RatingEvent(id=uuid7(number), source=SOURCE, subject=owner(track), time=at, data=data)


def vote(number: int, pair: UUID, at: datetime, choice: str) -> PairEvent:
    data = PairVote.model_validate({"pair_id": pair, "choice": choice})
    return PairEvent(id=uuid7(number), source=SOURCE, subject=owner(pair), time=at, data=data)


def pick(number: int, four: UUID, at: datetime, choice: str) -> FourEvent:
    data = FourPick.model_validate({"four_id": four, "choice": choice})
    return FourEvent(id=uuid7(number), source=SOURCE, subject=owner(four), time=at, data=data)


def made(number: int, track: UUID, at: datetime, four: UUID | None = None) -> TrackMadeEvent:
    data = TrackMade(
        track_id=track,
        pair_id=next((pair for pair, halves in HALVES.items() if track in halves), None),
        four_id=four,
        arm="champion",
        propensity=0.25,
        model_version=f"model/{number}",
        prompt="a reel",
        seconds=10.5,
        features_url=f"file:///{number}",
        sha256=f"{number:064x}",
    )
    return TrackMadeEvent(id=uuid7(number), source=SOURCE, subject=owner(track), time=at, data=data)


def failed(number: int, track: UUID, at: datetime) -> TrackFailedEvent:
    data = TrackFailed(track_id=track, arm="base", code=f"code_{number}")
    return TrackFailedEvent(id=uuid7(number), source=SOURCE, subject=owner(track), time=at, data=data)


def message_of(event: Event) -> Outgoing:
    return Outgoing(topic_of(event.type), str(event.subject).encode(), event.model_dump_json().encode(), event.type)


def stream(count: int, seed: int) -> list[Event]:
    """`count` events of all families, each with an identity of its own for this seed."""
    draw = random.Random(seed)
    first = seed * 1_000_000
    return [_drawn(draw, first + number) for number in range(count)]


def _drawn(draw: random.Random, number: int) -> Event:
    at = START + timedelta(milliseconds=draw.randrange(5_000))
    track = draw.choice(TRACKS)
    match draw.choices("prvmf", (60, 20, 8, 8, 4))[0]:
        case "p":
            start = draw.randrange(9_000)
            return play(number, track, at, draw.randrange(10_000), (start, start + draw.randrange(1, 900)))
        case "r":
            return rating(number, track, at, draw.randint(1, 5))
        case "v" if number % 3 == 0:
            return pick(number, draw.choice(FOURS), at, draw.choice(TAKES))
        case "v":
            return vote(number, draw.choice(PAIRS), at, draw.choice(["first", "second", "tie", "both_bad"]))
        case "m":
            return made(number, track, at)
        case _:
            return failed(number, track, at)


def event_lists(max_size: int = 12) -> st.SearchStrategy[list[Event]]:
    """Distinct events that often speak of the same track, at the same time."""
    # Few numbers a draw, and the events made from them: drawing fields one by one is slow.
    shape = st.tuples(st.sampled_from("pprrvvkkmf"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 63))
    return st.lists(shape, max_size=max_size).map(
        lambda shapes: [_shaped(number, *shape) for number, shape in enumerate(shapes)]
    )


def _shaped(number: int, kind: str, which: int, step: int, detail: int) -> Event:
    at, track = START + timedelta(seconds=step), TRACKS[which]
    match kind:
        case "p":
            return play(number, track, at, detail, (detail // 2, detail // 2 + 1 + detail % 7) if detail % 5 else None)
        case "r":
            return rating(number, track, at, 1 + detail % 5)
        case "v":
            return vote(number, PAIRS[which], at, ("first", "second", "tie", "both_bad")[detail % 4])
        case "k":
            return pick(number, FOURS[which], at, TAKES[detail % 4])
        case "m":
            return made(number, track, at)
        case _:
            return failed(number, track, at)
