"""Which events are taken: the pure rules, one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.base import Problem
from services.gateway.intake import Known, KnownSet, KnownTrack, Refused, happened_at, read
from services.identifiers import uuid7

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MADE = NOW - timedelta(minutes=10)
ME, YOU, TRACK, THEIRS, UNFINISHED, PAIR = (UUID(int=n) for n in range(1, 7))
KNOWN = Known(
    listeners=frozenset({ME, YOU}),
    tracks={
        TRACK: KnownTrack(ME, 9.97, ready=True, created_at=MADE),
        THEIRS: KnownTrack(YOU, 10.0, ready=True, created_at=MADE),
        UNFINISHED: KnownTrack(ME, 10.0, ready=False, created_at=MADE),
    },
    pairs={PAIR: KnownSet(YOU, created_at=MADE)},
)
YEAR = timedelta(days=365)


def event(kind: str, data: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": f"encore.{kind}",
        "id": str(uuid7()),
        "source": "test",
        "subject": str(ME),
        "time": NOW.isoformat(),
        "data": data,
        **changed,
    }


def play(position_ms: int = 0, heard: dict[str, int] | None = None, track: UUID = TRACK) -> dict[str, Any]:
    data = {"play_id": str(UUID(int=9)), "track_id": str(track), "position_ms": position_ms}
    return event("play.heartbeat", data if heard is None else {**data, "heard": heard})


def rating(stars: Any = 4, **changed: Any) -> dict[str, Any]:
    return event("rating.given", {"track_id": str(TRACK), "stars": stars}, **changed)


def refusal(item: object) -> Problem | None:
    """What is wrong with it, by shape or by what is known; None if it is taken."""
    events, rejected = read([item])
    if rejected:
        return rejected[0].problem
    try:
        happened_at(events[0].event, KNOWN, NOW, YEAR)
    except Refused as refused:
        return refused.problem
    return None


@pytest.mark.parametrize(
    "good",
    [
        rating(),
        rating(4.0),  # JSON Schema: an integer
        rating(traceparent="an extension attribute of CloudEvents"),
        rating(time=(NOW + timedelta(minutes=4)).isoformat()),
        rating(time="2025-12-31T23:59:60Z"),
        rating(time="2025-12-31t23:59:59.123456789z"),
        rating(time="1970-01-01T00:00:10Z", sentat="1970-01-01T00:00:20Z"),
        rating(time="0001-01-01T00:00:00+14:00", sent_at="0001-01-01T00:00:00+14:00"),
        rating(source="encores/player"),
        rating(note="\\\\u0000 is no NUL"),
        play(9_970, {"from_ms": 0, "to_ms": 9_970}),
        play(10_970, {"from_ms": 9_960, "to_ms": 10_970}),
        event("pair.voted", {"pair_id": str(PAIR), "choice": "tie"}, subject=str(YOU)),
    ],
)
def test_good_events(good: dict[str, Any]) -> None:
    assert refusal(good) is None


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        (rating(subject=str(UUID(int=99))), "unknown_listener", "subject"),
        (rating(time=(NOW + 2 * YEAR).isoformat()), "in_the_future", "time"),
        (rating(time="9999-12-31T23:59:59-23:59"), "in_the_future", "time"),
        (rating(time="9999-12-31T23:59:59Z", sentat="0001-01-01T00:00:00Z"), "in_the_future", "time"),
        (rating(time="2024-12-31T00:00:00Z"), "too_old", "time"),
        (rating(time="0001-01-01T00:00:00+14:00"), "too_old", "time"),
        (rating(time="0001-01-01T00:00:00Z", sentat="9999-12-31T23:59:59Z"), "too_old", "time"),
        (rating(source="encore/gateway"), "reserved_source", "source"),
        (rating(source="encore"), "reserved_source", "source"),
        (rating(source=" Encore/rollout"), "reserved_source", "source"),
        (play(10_971), "beyond_track", "data.position_ms"),
        (play(0, {"from_ms": 0, "to_ms": 10_971}), "beyond_track", "data.heard.to_ms"),
        (play(track=THEIRS), "not_your_track", "data.track_id"),
        (play(track=UNFINISHED), "track_not_ready", "data.track_id"),
        (play(track=UUID(int=99)), "unknown_track", "data.track_id"),
        (event("pair.voted", {"pair_id": str(PAIR), "choice": "tie"}), "not_your_pair", "data.pair_id"),
        (event("pair.voted", {"pair_id": str(ME), "choice": "tie"}), "unknown_pair", "data.pair_id"),
    ],
)
def test_events_that_do_not_fit_what_is_known(bad: dict[str, Any], code: str, field: str) -> None:
    problem = refusal(bad)
    assert problem is not None
    assert (problem.code, problem.field) == (code, field)
    assert problem.expected


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        (rating(6), "out_of_range", "data.stars"),
        (rating(0), "out_of_range", "data.stars"),
        (rating("many"), "wrong_type", "data.stars"),
        (rating("4"), "wrong_type", "data.stars"),
        (rating(True), "wrong_type", "data.stars"),
        (rating(4.5), "wrong_type", "data.stars"),
        (rating(time=1_700_000_000), "wrong_type", "time"),
        (rating(time="1700000000"), "wrong_type", "time"),
        (rating(time="2026-01-01T00:00Z"), "wrong_type", "time"),
        (rating(time="9999-12-31T23:59:60Z"), "wrong_type", "time"),
        (rating(sentat="soon"), "wrong_type", "sentat"),
        (rating(sent_at=5), "wrong_type", "sentat"),
        (rating(subject=f"{{{ME}}}"), "wrong_type", "subject"),
        (rating(source="a\0"), "invalid_value", None),
        (rating(note={"deep": ["a\0"]}), "invalid_value", None),
        (rating(note="\ud800"), "invalid_value", None),
        (rating(note=1e999), "out_of_range", None),
        (rating(note=nested(201)), "out_of_range", None),
        (rating(note=nested(100_000)), "out_of_range", None),
        (rating(note="x" * 300_000), "too_large", None),
        (rating(id="019a"), "wrong_type", "id"),
        (rating(id=str(UUID(int=5))), "invalid_value", "id"),
        (rating(time="2026-01-01T00:00:00"), "wrong_type", "time"),
        (rating(type="encore.rating.taken"), "unknown_type", "type"),
        ({"id": "x"}, "missing_field", "type"),
        (event("rating.given", {"stars": 3}), "missing_field", "data.track_id"),
        (play(0, {"from_ms": 5, "to_ms": 5}), "invalid_value", "data.heard"),
        ("text", "wrong_type", None),
        (None, "wrong_type", None),
    ],
)
def test_events_of_the_wrong_shape(bad: object, code: str, field: str | None) -> None:
    events, (rejected,) = read([bad])
    assert not events
    assert (rejected.index, rejected.problem.code, rejected.problem.field) == (0, code, field)
    assert rejected.problem.expected


def test_good_and_bad_are_told_apart_by_index() -> None:
    events, rejected = read([rating(), rating(6), rating()])
    assert sorted(events) == [0, 2]
    assert [each.index for each in rejected] == [1]


def test_an_id_that_cannot_be_written_is_still_named() -> None:
    _, (rejected,) = read([{"id": "\ud800"}])
    assert rejected.id == "?"
