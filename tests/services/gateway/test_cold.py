"""The cold start is frozen when a listener's first songs are first used, and stays what it was."""

from typing import Any

import psycopg
import pytest

from schemas.events import Arm
from schemas.generation import Controls, GenerationRequest
from schemas.topics import TRACKS
from services.gateway.assignment import Draw
from services.gateway.cold import FRESH, frozen
from services.gateway.planning import Taste
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav


@pytest.fixture
def asked(gateway: Gateway, listener_id: str, monkeypatch: pytest.MonkeyPatch) -> "Asked":
    return Asked(gateway, listener_id, monkeypatch)


class Asked:
    """What the engine is asked for in an arm that the test chooses."""

    def __init__(self, gateway: Gateway, listener_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway, self._listener_id, self._monkeypatch = gateway, listener_id, monkeypatch

    def upload(self, *hertz: float) -> list[str]:
        answers = [self._gateway.upload(self._listener_id, wav(hertz=value)) for value in hertz]
        return [str(answer.json()["song_id"]) for answer in answers]

    def on(self, arm: Arm, **wish: Any) -> GenerationRequest:
        with self._monkeypatch.context() as patch:
            patch.setattr("services.gateway.wishes.draw_arm", lambda *_: Draw(arm, 0.15))
            self._gateway.finished(self._gateway.ask(self._listener_id, seconds=2, **wish)["track_id"])
        return self._gateway.engine.asked[-1]


def songs_of(request: GenerationRequest) -> list[str]:
    return [url.split("/")[-2] for url in request.songs]


def test_newer_songs_reach_the_champion_and_never_the_cold_start(asked: Asked) -> None:
    first = asked.upload(200, 210)
    cold = asked.on("cold")
    assert songs_of(cold) == first[::-1]
    assert cold.controls == Controls(style=(1.5, 1.0), fresh=FRESH)
    assert cold.adapter is None
    later = asked.upload(220, 230)
    assert songs_of(asked.on("champion")) == [*later[::-1], first[1]]
    again = asked.on("cold")
    assert (again.songs, again.controls) == (cold.songs, cold.controls)


def test_it_is_frozen_by_the_first_track_of_any_arm(asked: Asked) -> None:
    first = asked.upload(200)
    asked.on("base")
    asked.upload(210)
    assert songs_of(asked.on("cold")) == first


def test_which_songs_which_style_which_recipe_and_which_base_are_recorded(gateway: Gateway, asked: Asked) -> None:
    asked.upload(200)
    request = asked.on("cold")
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        rows = connection.execute("select songs, controls, base_hash from gateway.cold_starts").fetchall()
    assert rows == [(list(request.songs), {"style": [1.0, 1.0], "fresh": FRESH}, "b" * 64)]


def test_songs_read_by_another_base_have_a_cold_start_of_their_own(gateway: Gateway, asked: Asked) -> None:
    before = asked.upload(200)
    assert songs_of(asked.on("cold")) == before
    gateway.engine.base_hash = "c" * 64
    after = asked.upload(210)
    assert songs_of(asked.on("cold")) == after


def test_a_cold_track_is_told_as_cold(gateway: Gateway, asked: Asked) -> None:
    asked.upload(200)
    asked.on("cold")
    assert [event["data"]["arm"] for event in gateway.events(TRACKS)] == ["cold"]


def test_who_brought_no_song_is_not_drawn_to_it(gateway: Gateway, listener_id: str) -> None:
    assert "cold" not in Taste().arm_shares
    gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        assert connection.execute("select count(*) from gateway.cold_starts").fetchone() == (0,)


def test_a_pair_never_offers_one_track_twice() -> None:
    cold = frozen([{"features_url": "a", "style": [0.0]}], "")
    assert "cold" not in Taste(songs=("a",), cold=cold).pair_shares
    assert "cold" in Taste(songs=("b", "a"), cold=cold).pair_shares


def test_a_song_without_a_recorded_style_leaves_the_mean_to_the_engine() -> None:
    songs: list[dict[str, Any]] = [{"features_url": "a", "style": [1.0, 2.0]}, {"features_url": "b", "style": None}]
    assert frozen(songs, "").controls.style is None
