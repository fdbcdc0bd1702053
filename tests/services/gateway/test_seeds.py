"""How many seeds may compete is the request's to bound; the frozen arms have one; the scores stay with the track."""

import psycopg
import pytest

from schemas.events import Arm
from schemas.generation import ActionDrawn, Competitor, Dials, DialsWanted, Rewards
from services.gateway.settings import GatewaySettings
from services.gateway.wishes import dials_of
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.test_cold import Asked, asked

__all__ = ["asked"]


def test_seeds_compete_for_what_is_learned_and_not_for_what_it_is_measured_against(asked: Asked) -> None:
    asked.upload(200)
    assert [asked.on(arm).seeds for arm in ("base", "cold", "champion", "candidate")] == [1, 1, 8, 8]
    assert asked.on("champion", seeds=3).seeds == 3


@pytest.mark.parametrize("seeds", [0, 9, "many"])
def test_a_number_of_seeds_out_of_range_is_refused(gateway: Gateway, listener_id: str, seeds: object) -> None:
    answer = gateway.http.post("/v1/tracks", json={"listener_id": listener_id, "seeds": seeds})
    assert (answer.status_code, answer.json()["field"]) == (422, "seeds")


def test_which_seeds_competed_and_which_action_was_drawn_are_stored_with_the_track(
    gateway: Gateway, listener_id: str
) -> None:
    gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
    competed = (
        Competitor(seed=1, halfway=0.5),
        Competitor(seed=2, halfway=0.7, final=0.6, rewards=Rewards(harmony=1.5), chosen=True),
    )
    gateway.engine.selection, gateway.engine.action = competed, ActionDrawn(number=3, propensity=0.25)
    gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        rows = connection.execute("select selection, action from gateway.tracks order by created_at").fetchall()
    assert rows == [(None, None), ([each.model_dump() for each in competed], {"number": 3, "propensity": 0.25})]


def test_dials_reach_what_is_learned_and_not_what_it_is_measured_against(asked: Asked) -> None:
    asked.upload(200)
    assert asked.on("champion").dials == Dials()
    said = {"harmony": 1.5, "production": 3.0}
    learned: tuple[Arm, ...] = ("champion", "candidate")
    for arm in learned:
        assert asked.on(arm, dials=said).dials == Dials(harmony=1.5, production=3.0)
    frozen: tuple[Arm, ...] = ("base", "cold")
    for arm in frozen:
        assert asked.on(arm, dials=said).dials == Dials()


def test_the_operators_dials_hold_where_a_listener_sets_none(settings: GatewaySettings) -> None:
    usual = settings.model_copy(update={"dial_harmony": 2.0, "dial_coherence": 1.0})
    assert dials_of(DialsWanted(), usual) == Dials(harmony=2.0, coherence=1.0)
    assert dials_of(DialsWanted(harmony=0.0, production=0.5), usual) == Dials(coherence=1.0, production=0.5)


@pytest.mark.parametrize(
    ("dials", "field"),
    [
        ({"harmony": 3.1}, "dials.harmony"),
        ({"coherence": -0.1}, "dials.coherence"),
        ({"production": "much"}, "dials.production"),
        ({"loudness": 1}, "dials.loudness"),
    ],
)
def test_a_dial_out_of_range_is_refused_by_its_name(
    gateway: Gateway, listener_id: str, dials: object, field: str
) -> None:
    answer = gateway.http.post("/v1/tracks", json={"listener_id": listener_id, "dials": dials})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
