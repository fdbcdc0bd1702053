"""Four takes of one wish: alike in all but chance, in no comparison, and picked from by the listener they are for."""

import io
import json
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import psycopg
import pytest

from schemas.topics import FOURS, RATINGS, TRACKS
from services.aggregator.batch import sort_out
from services.aggregator.fold import fold
from services.gateway.assignment import SONGLESS, STEADY, draw_arm
from services.gateway.planning import Taste
from services.identifiers import uuid7
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.test_bad_input import problem
from tests.services.gateway.test_events import event
from tests.services.logs import in_the_clear


@pytest.fixture
def four(gateway: Gateway, listener_id: str) -> dict[str, Any]:
    """A four whose tracks are ready."""
    made = gateway.http.post("/v1/fours", json={"listener_id": listener_id, "prompt": "an air", "seconds": 2})
    assert made.status_code == 202
    for take in made.json()["tracks"]:
        gateway.finished(take["track_id"])
    return dict(gateway.http.get(made.headers["location"]).json())


def test_a_four_is_one_wish_by_one_arm_with_four_seeds_of_which_none_competes(
    gateway: Gateway, four: dict[str, Any]
) -> None:
    asked = {str(request.track_id): request for request in gateway.engine.asked}
    takes = [asked[take["track_id"]] for take in four["tracks"]]
    assert len({(take.arm, take.prompt, take.seconds, take.songs) for take in takes}) == 1
    assert len({take.seed for take in takes}) == 4
    assert {take.seeds for take in takes} == {1}
    assert {(take["status"], take["four_id"], take["pair_id"]) for take in four["tracks"]} == {
        ("ready", four["four_id"], None)
    }


def test_the_arm_is_drawn_once_by_the_secret(gateway: Gateway, listener_id: str, four: dict[str, Any]) -> None:
    salt = gateway.settings.arm_salt.get_secret_value()
    draw = draw_arm(salt, UUID(listener_id), UUID(four["four_id"]), SONGLESS)
    assert {request.arm for request in gateway.engine.asked} == {draw.arm}
    assert {each["data"]["propensity"] for each in gateway.events(TRACKS)} == {draw.propensity}


def test_a_pick_reaches_its_topic_and_may_be_changed(gateway: Gateway, listener_id: str, four: dict[str, Any]) -> None:
    picks = [event(listener_id, "four.picked", four_id=four["four_id"], choice=choice) for choice in ("third", "none")]
    for pick in picks:
        assert gateway.http.post("/v1/events", json=[pick]).json() == {"accepted": 1, "rejected": []}
    assert [found["data"] for found in gateway.events(FOURS)] == [pick["data"] for pick in picks]


@pytest.mark.parametrize("choice", ["fifth", "tie", 1, None])
def test_a_pick_of_something_else_is_refused(
    gateway: Gateway, listener_id: str, four: dict[str, Any], choice: object
) -> None:
    answer = gateway.http.post(
        "/v1/events", json=[event(listener_id, "four.picked", four_id=four["four_id"], choice=choice)]
    )
    assert answer.status_code == 422
    assert answer.json()["rejected"][0]["problem"]["field"] == "data.choice"
    assert gateway.events(FOURS) == []


def test_only_whom_it_was_made_for_picks_and_takes_have_no_stars(
    gateway: Gateway, listener_id: str, four: dict[str, Any]
) -> None:
    batch = [
        event(gateway.listener(), "four.picked", four_id=four["four_id"], choice="first"),
        event(listener_id, "four.picked", four_id=str(uuid7()), choice="first"),
        event(listener_id, "rating.given", track_id=four["tracks"][0]["track_id"], stars=5),
    ]
    answer = gateway.http.post("/v1/events", json=batch)
    named = [(each["problem"]["code"], each["problem"]["field"]) for each in answer.json()["rejected"]]
    assert named == [
        ("not_your_four", "data.four_id"),
        ("unknown_four", "data.four_id"),
        ("one_of_four", "data.track_id"),
    ]
    assert (gateway.events(FOURS), gateway.events(RATINGS)) == ([], [])


def test_a_four_counts_in_no_comparison(gateway: Gateway, four: dict[str, Any]) -> None:
    told = gateway.events(TRACKS)
    assert {each["data"]["four_id"] for each in told} == {four["four_id"]}
    assert {each["data"].get("release_id") for each in told} == {None}
    messages = [message for log in gateway.broker.logs.values() for message in log if message.topic == TRACKS]
    arrivals = sort_out(in_the_clear(messages, gateway.settings.postgres_dsn)).arrivals
    assert len(arrivals) == 4
    state = fold(arrival.event for arrival in arrivals)
    assert (state.tracks, state.failures) == ({}, {})


def test_what_is_tried_or_watched_has_no_part_in_a_four() -> None:
    tried = Taste(release_id=UUID(int=1), salt="of the release", shares={"candidate": 1.0}, held_back=0.5, twins=0.9)
    assert tried.outside_releases() == Taste()
    assert "previous" not in Taste(held_back=0.5).outside_releases().arm_shares
    assert Taste(off=True).outside_releases().arm_shares == {"base": 1.0}
    assert STEADY.keys() == {"base", "cold", "champion"}


def test_four_open_tracks_are_needed_and_none_is_begun_without(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    first = gateway.ask(listener_id)["track_id"]
    answer = gateway.http.post("/v1/fours", json={"listener_id": listener_id, "seconds": 2})
    problem(answer, 429, "too_many_open_tracks", "listener_id")
    tracks = gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json()
    assert [track["track_id"] for track in tracks] == [first]
    gateway.engine.paused = False


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"seconds": 121}, "out_of_range", "seconds"),
        ({"prompt": "a\0b"}, "invalid_value", "prompt"),
        ({"seed": 1}, "unknown_field", "seed"),
        ({"seeds": 1}, "unknown_field", "seeds"),
    ],
)
def test_a_wrong_wish_is_refused_by_name(
    gateway: Gateway, listener_id: str, body: dict[str, Any], code: str, field: str
) -> None:
    problem(gateway.http.post("/v1/fours", json={"listener_id": listener_id, **body}), 422, code, field)
    assert gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json() == []


def test_fours_and_picks_are_in_the_archive(gateway: Gateway, listener_id: str, four: dict[str, Any]) -> None:
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute(
            "insert into feedback.picks values (%s, %s, 'second', now(), gen_random_uuid(), now())",
            (four["four_id"], listener_id),
        )
    headers = {"Authorization": f"Bearer {gateway.token('listener', listener_id)}"}
    answer = gateway.http.get(f"/v1/listeners/{listener_id}/export", headers=headers).raise_for_status()
    archive = ZipFile(io.BytesIO(answer.content))
    (row,) = json.loads(archive.read("tables/gateway.fours.json"))
    assert row["tracks"] == [take["track_id"] for take in four["tracks"]]
    (pick,) = json.loads(archive.read("tables/feedback.picks.json"))
    assert pick["choice"] == "second"
