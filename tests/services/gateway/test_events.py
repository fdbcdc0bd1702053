"""Events through the API: into the log when good, named when not, and never half counted."""

from datetime import UTC, datetime
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
        assert found["id"] == sent["id"]
        assert found["data"] == sent["data"]
    keys = {message.key for log in gateway.broker.logs.values() for message in log}
    assert keys == {listener_id.encode()}


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
