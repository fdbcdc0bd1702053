"""Where a listener is in what they hear: kept for the next device, and one device sounds."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from services.gateway.playing import KEPT_DAYS, forget_old
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.test_bad_input import problem
from tests.services.gateway.test_walls import within

PHONE, DESK = str(uuid4()), str(uuid4())


def say(gateway: Gateway, listener_id: str, device: str, at_s: float | None = None, **said: Any) -> dict[str, Any]:
    """What the gateway answers to a device that is there in its station; None: it has no station."""
    station = None if at_s is None else {"prompt": "a reel", "seconds": 10, "made": 3, "tracks": [], "at_s": at_s}
    told = {"device_id": device, "station": station and station | said.pop("station", {}), **said}
    answer = gateway.http.put(f"/v1/listeners/{listener_id}/playing", json=told)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def kept(gateway: Gateway, listener_id: str) -> Any:
    return gateway.http.get(f"/v1/listeners/{listener_id}/playing").raise_for_status().json()


def test_another_device_is_told_where_it_was(gateway: Gateway, listener_id: str) -> None:
    assert kept(gateway, listener_id) is None
    tracks = [gateway.ask(listener_id, seconds=2, twin=False)["track_id"] for _ in range(2)]
    say(gateway, listener_id, PHONE, 7.5, begins=True, station={"tracks": tracks})
    found = kept(gateway, listener_id)
    assert {name: found[name] for name in ("device_id", "prompt", "seconds", "made", "tracks", "at_s")} == {
        "device_id": PHONE, "prompt": "a reel", "seconds": 10.0, "made": 3, "tracks": tracks, "at_s": 7.5,
    }  # fmt: skip
    gateway.http.delete(f"/v1/listeners/{listener_id}/playing").raise_for_status()
    assert kept(gateway, listener_id) is None


def test_the_device_that_begins_last_is_the_one_that_sounds(gateway: Gateway, listener_id: str) -> None:
    assert say(gateway, listener_id, PHONE, 1.0, begins=True)["device_id"] == PHONE
    assert say(gateway, listener_id, DESK, 5.0)["device_id"] == PHONE  # it did not begin
    assert say(gateway, listener_id, DESK, begins=True)["at_s"] == 1.0  # with something that is no station
    told = say(gateway, listener_id, PHONE, 2.0)
    assert (told["device_id"], told["at_s"]) == (DESK, 1.0)
    assert say(gateway, listener_id, PHONE, 2.0, begins=True)["device_id"] == PHONE
    assert kept(gateway, listener_id)["at_s"] == 2.0


def test_tracks_of_others_are_left_out(gateway: Gateway, listener_id: str) -> None:
    own = gateway.ask(listener_id, seconds=2, twin=False)["track_id"]
    anothers = gateway.ask(gateway.listener(), seconds=2, twin=False)["track_id"]
    say(gateway, listener_id, PHONE, 0, station={"tracks": [anothers, own, str(uuid4())]})
    assert kept(gateway, listener_id)["tracks"] == [own]


def test_what_cannot_be_gone_on_with_is_refused(gateway: Gateway, listener_id: str) -> None:
    path = f"/v1/listeners/{listener_id}/playing"
    station = {"prompt": "", "seconds": 10, "made": 0, "tracks": [], "at_s": -1}
    problem(gateway.http.put(path, json={}), 422, "missing_field", "device_id")
    problem(gateway.http.put(path, json={"device_id": PHONE, "station": station}), 422, "out_of_range", "station.at_s")
    unstorable = {"device_id": PHONE, "station": station | {"at_s": 1, "prompt": "a\0b"}}
    problem(gateway.http.put(path, json=unstorable), 422, "invalid_value", "prompt")
    assert kept(gateway, listener_id) is None


def test_nobody_goes_on_after_its_term(gateway: Gateway, listener_id: str) -> None:
    other = gateway.listener()
    for each in (listener_id, other):
        say(gateway, each, PHONE, 1.0)
    dsn = gateway.settings.postgres_dsn
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "update gateway.playing set said_at = now() - %s where listener_id = %s",
            (timedelta(days=KEPT_DAYS, hours=1), UUID(listener_id)),
        )
    within(dsn, None, forget_old)
    assert kept(gateway, listener_id) is None
    assert kept(gateway, other) is not None
