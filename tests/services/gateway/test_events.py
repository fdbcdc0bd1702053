"""Events through the API: into the log when good, named when not, and never half counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.topics import PAIRS, PLAYS, RATINGS
from services.identifiers import uuid7
from tests.services.gateway.conftest import Gateway


def event(listener_id: str, kind: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": f"encore.{kind}",
        "id": str(uuid7()),
        "source": "test",
        "subject": listener_id,
        "time": datetime.now(UTC).isoformat(),
        "data": data,
    }


@pytest.fixture
def pair(gateway: Gateway, listener_id: str) -> dict[str, Any]:
    """A pair whose tracks are ready."""
    made = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "seconds": 2}).json()
    for side in ("first", "second"):
        gateway.finished(made[side]["track_id"])
    return dict(made)


def test_good_events_reach_their_topics(gateway: Gateway, listener_id: str, pair: dict[str, Any]) -> None:
    track_id, play_id = pair["first"]["track_id"], str(uuid7())
    heard = {"from_ms": 0, "to_ms": 1500}
    batch = [
        event(listener_id, "play.paused", play_id=play_id, track_id=track_id, position_ms=1500, heard=heard),
        event(listener_id, "rating.given", track_id=track_id, stars=4),
        event(listener_id, "pair.voted", pair_id=pair["pair_id"], choice="both_bad"),
    ]
    answer = gateway.http.post("/v1/events", json=batch)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "rejected": []})
    for sent, topic in zip(batch, (PLAYS, RATINGS, PAIRS), strict=True):
        (found,) = gateway.events(topic)
        stamps = {name: found.pop(name) for name in ("receivedat", "correctedtime")}
        assert found == sent | {"source": f"listeners/{listener_id}/test"}
        # The track was made just now and no `sentat` came: the clock of this test is believed.
        assert stamps["correctedtime"] == sent["time"]
        assert sent["time"] < stamps["receivedat"] <= datetime.now(UTC).isoformat()
    lying = [message for log in gateway.broker.logs.values() for message in log]
    assert len({message.key for message in lying}) == 1
    said = b"".join(message.value or b"" for message in lying) + (lying[0].key or b"")
    assert not [each for each in (listener_id, track_id, pair["pair_id"], "receivedat") if each.encode() in said]


def test_the_bad_ones_of_a_batch_are_named(gateway: Gateway, listener_id: str, pair: dict[str, Any]) -> None:
    track_id = pair["first"]["track_id"]
    good = event(listener_id, "rating.given", track_id=track_id, stars=4)
    six = event(listener_id, "rating.given", track_id=track_id, stars=6)
    beyond = event(
        listener_id, "play.paused", play_id=str(uuid7()), track_id=track_id, position_ms=3_000_000, heard=None
    )
    others = event(gateway.listener(), "rating.given", track_id=track_id, stars=1)
    partly = gateway.http.post("/v1/events", json=[others, six, good, beyond])
    assert partly.status_code == 202
    assert partly.json()["accepted"] == 1
    named = [(each["index"], each["id"], each["problem"]["code"]) for each in partly.json()["rejected"]]
    assert named == [
        (0, others["id"], "not_your_track"),
        (1, six["id"], "out_of_range"),
        (3, beyond["id"], "beyond_track"),
    ]
    all_bad = gateway.http.post("/v1/events", json=[six])
    assert (all_bad.status_code, all_bad.json()["accepted"]) == (422, 0)
    assert [found["id"] for found in gateway.events(RATINGS)] == [good["id"]]


def test_a_clock_an_hour_slow_and_one_six_minutes_fast_count_by_arrival(
    gateway: Gateway, listener_id: str, pair: dict[str, Any]
) -> None:
    now = datetime.now(UTC)
    reset = datetime(1970, 1, 1, tzinfo=UTC) - now
    clocks = {"slow": -timedelta(hours=1), "fast": timedelta(minutes=6), "reset": reset}
    ratings = [
        event(listener_id, "rating.given", track_id=pair["first"]["track_id"], stars=3)
        | {"time": (now + error).isoformat(), "source": name}
        for name, error in clocks.items()
    ]
    ratings[2]["sentat"] = (now + timedelta(seconds=1) + reset).isoformat()
    answer = gateway.http.post("/v1/events", json=ratings)
    assert answer.json() == {"accepted": 3, "rejected": []}
    slow, fast, corrected = gateway.events(RATINGS)
    assert slow["correctedtime"] == fast["correctedtime"] == slow["receivedat"]
    late = datetime.fromisoformat(corrected["receivedat"]) - datetime.fromisoformat(corrected["correctedtime"])
    assert late == timedelta(seconds=1)


def test_a_year_that_cannot_be_is_refused_by_name(gateway: Gateway, listener_id: str, pair: dict[str, Any]) -> None:
    rated = event(listener_id, "rating.given", track_id=pair["first"]["track_id"], stars=3)
    for time, code in (("0001-01-01T00:00:00+14:00", "too_old"), ("9999-12-31T23:59:59-14:00", "in_the_future")):
        answer = gateway.http.post("/v1/events", json=[rated | {"time": time}])
        problem = answer.json()["rejected"][0]["problem"]
        assert (answer.status_code, problem["code"], problem["field"]) == (422, code, "time")
        assert "sentat" in problem["expected"]
    assert gateway.events(RATINGS) == []


def test_a_rating_that_was_kept_for_hours_is_as_new_as_its_arrival(
    gateway: Gateway, listener_id: str, pair: dict[str, Any]
) -> None:
    rated = event(listener_id, "rating.given", track_id=pair["first"]["track_id"], stars=3)
    gateway.http.post("/v1/events", json=[rated])
    gateway.http.post("/v1/events", json=[rated | {"id": str(uuid7())}])
    first, second = gateway.events(RATINGS)
    assert first["correctedtime"] == second["correctedtime"] == rated["time"]
    assert first["receivedat"] < second["receivedat"]


@pytest.mark.parametrize("body", [b"[NaN]", b"[1e", b"[" * 100_000, b"[" + b"1" * 5000 + b"]", b"\xff"])
def test_what_is_no_json(gateway: Gateway, body: bytes) -> None:
    answer = gateway.http.post("/v1/events", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("body", [{}, [], "text", [1] * 501])
def test_what_is_no_batch(gateway: Gateway, body: object) -> None:
    answer = gateway.http.post("/v1/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_batch")


def test_without_kafka_nothing_is_accepted(gateway: Gateway, listener_id: str, pair: dict[str, Any]) -> None:
    batch = [event(listener_id, "rating.given", track_id=pair["first"]["track_id"], stars=4)]
    gateway.broker.away = True
    away = gateway.http.post("/v1/events", json=batch)
    assert (away.status_code, away.json()["code"]) == (503, "kafka_away")
    assert int(away.headers["retry-after"]) > 0
    gateway.broker.away = False
    assert gateway.http.post("/v1/events", json=batch).json()["accepted"] == 1
    assert len(gateway.events(RATINGS)) == 1


def test_lag_is_counted_by_topic(gateway: Gateway, listener_id: str, pair: dict[str, Any]) -> None:
    ratings = [event(listener_id, "rating.given", track_id=pair["first"]["track_id"], stars=n) for n in (1, 2)]
    gateway.http.post("/v1/events", json=ratings)
    counts = gateway.http.get("/v1/feedback").json()
    assert (counts["folded"], counts["dead_lettered"]) == (0, 0)
    assert counts["lag"][RATINGS] == 2
    assert counts["lag"][PLAYS] == 0
