"""Operators over HTTP: kill switches act on the next track in every gateway; orders wait for the rollout process."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.holdout import is_held_out
from tests.services.gateway.conftest import Gateway, running, until
from tests.services.gateway.test_operators import postgres, release_id

__all__ = ["postgres", "release_id"]  # fixtures

SIGNED = {"reason": "a hum in the low end"}


def arm_of(gateway: Gateway, listener_id: str) -> tuple[Any, ...]:
    """(arm, propensity, release) of the listener's next track."""
    track_id = gateway.ask(listener_id, seconds=2, twin=False)["track_id"]
    gateway.finished(track_id)
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        row = connection.execute(
            "select arm, propensity, release_id from gateway.tracks where track_id = %s", (UUID(track_id),)
        ).fetchone()
    assert row is not None
    return row


def throw(gateway: Gateway, **whom: object) -> str:
    answer = gateway.http.post("/v1/switches", json={**whom, **SIGNED})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["switch_id"])


def test_switched_off_a_listener_hears_their_cold_start_in_every_gateway_from_the_next_track(gateway: Gateway) -> None:
    folk, rock, songless = gateway.listener(home="folk"), gateway.listener(home="rock"), gateway.listener(home="folk")
    for who in (folk, rock):
        assert gateway.upload(who).status_code == 201
    switch = throw(gateway, cohort="home=folk")
    with running(gateway.settings, gateway.engine, gateway.broker) as second:
        for _ in range(4):
            assert arm_of(second, folk) == ("cold", 1.0, None)
            assert arm_of(gateway, songless) == ("base", 1.0, None)
    often = (arm_of(gateway, rock)[0] for _ in range(60))  # asked until it comes
    assert "champion" in often, "another cohort hears what it heard"
    lifted = gateway.http.post(f"/v1/switches/{switch}/lift", json=SIGNED).json()
    assert (lifted["thrown_by"], lifted["lifted_by"], lifted["cohort"]) == ("anna", "anna", "home=folk")
    assert {arm_of(gateway, folk)[1] for _ in range(2)} != {1.0}
    throw(gateway, everyone=True)
    assert arm_of(gateway, rock) == ("cold", 1.0, None)
    throw(gateway, listener_id=folk)
    shown = gateway.http.get("/v1/switches", params={"thrown": True}).json()
    assert [(each["everyone"], each["listener_id"]) for each in shown] == [(False, folk), (True, None)]


def test_a_canary_counts_no_track_of_who_is_switched_off_paused_or_opted_out(
    gateway: Gateway, postgres: Any, listener_id: str, release_id: UUID
) -> None:
    assert arm_of(gateway, listener_id)[2] == release_id
    postgres.execute("update rollout.releases set paused_at = now()")
    assert {arm_of(gateway, listener_id)[2] for _ in range(3)} == {None}
    postgres.execute("update rollout.releases set paused_at = null")
    postgres.execute("update rollout.members set joins = 1")  # the release has not reached them
    assert {arm_of(gateway, listener_id)[2] for _ in range(3)} == {None}
    postgres.execute("update rollout.releases set step = 1")
    assert arm_of(gateway, listener_id)[2] == release_id
    switch = throw(gateway, listener_id=listener_id)
    assert arm_of(gateway, listener_id) == ("base", 1.0, None)
    gateway.http.post(f"/v1/switches/{switch}/lift", json=SIGNED)
    postgres.execute("update rollout.listener_models set release_id = null, candidate_version = null, opted_out = true")
    assert {arm_of(gateway, listener_id) for _ in range(4)} == {("champion", 1.0, None)}


def test_a_pair_is_made_of_what_was_not_learned_or_refused(gateway: Gateway, postgres: Any, listener_id: str) -> None:
    throw(gateway, everyone=True)
    refused = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "seconds": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_compare")
    assert postgres.execute("select count(*) from gateway.tracks").fetchone() == (0,)
    gateway.upload(listener_id)
    pair = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "seconds": 2}).json()
    rows = postgres.execute("select arm from gateway.tracks where pair_id = %s", (pair["pair_id"],)).fetchall()
    assert {arm for (arm,) in rows} == {"base", "cold"}


@pytest.mark.parametrize(
    "whom",
    [
        {},
        {"everyone": True, "cohort": "home=folk"},
        {"cohort": "folk"},
        {"everyone": True, "reason": " "},
        {"everyone": True, "by": "Ada"},
    ],
)
def test_a_switch_names_exactly_one_and_says_why(gateway: Gateway, whom: dict[str, Any]) -> None:
    assert gateway.http.post("/v1/switches", json={**SIGNED, **whom}).status_code == 422
    assert gateway.http.get("/v1/switches").json() == []


def test_unknown_switches_listeners_and_orders_are_said_to_be(gateway: Gateway) -> None:
    for answer in (
        gateway.http.post(f"/v1/switches/{uuid4()}/lift", json=SIGNED),
        gateway.http.post("/v1/switches", json={"listener_id": str(uuid4()), **SIGNED}),
        gateway.http.get(f"/v1/orders/{uuid4()}"),
    ):
        assert answer.status_code == 404
    assert gateway.http.get("/v1/audit").json() == [], "nothing was done"


def test_a_cohort_that_nobody_can_be_in_is_not_switched_off(gateway: Gateway) -> None:
    refused = gateway.http.post("/v1/switches", json={"cohort": "Home=folk", **SIGNED})
    assert (refused.status_code, refused.json()["field"]) == (422, "cohort.Home")


def test_an_order_waits_until_the_rollout_process_answers(gateway: Gateway, postgres: Any) -> None:
    wish = {"action": "revert", "release_id": str(uuid4()), **SIGNED}
    asked = gateway.http.post("/v1/orders", json=wish)
    assert asked.status_code == 202
    order = asked.json()
    assert (order["status"], order["by"]) == ("waiting", "anna")
    postgres.execute(
        "insert into rollout.answers (order_id, done, says) values (%s, false, 'unknown')", (order["order_id"],)
    )
    answered = gateway.http.get(asked.headers["location"]).json()
    assert (answered["status"], answered["says"]) == ("refused", "unknown")
    assert gateway.http.get("/v1/orders").json() == [answered]


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "revert"},
        {"action": "stop", "release_id": str(uuid4())},
        {"action": "opt_out"},
        {"action": "pin", "listener_id": str(uuid4())},
        {"action": "unpin", "listener_id": str(uuid4()), "version": 1},
    ],
)
def test_an_order_names_what_it_is_about(gateway: Gateway, wish: dict[str, Any]) -> None:
    assert gateway.http.post("/v1/orders", json={**wish, **SIGNED}).status_code == 422


def test_who_is_held_out_hears_nothing_that_was_learned(gateway: Gateway) -> None:
    settings = gateway.settings.model_copy(update={"holdout_share": 0.5})
    with running(settings, gateway.engine, gateway.broker) as held:
        people = [held.listener() for _ in range(40)]
        out = [who for who in people if is_held_out(UUID(who), 0.5)][:4]
        others = [who for who in people if not is_held_out(UUID(who), 0.5)][:4]
        assert {arm_of(held, who) for who in out} == {("base", 1.0, None)}
        assert {arm_of(held, who)[1] for who in others} <= {0.25, 0.75}
        held.upload(out[0])
        often = 60  # both arms but for one run in 10^7
        assert {arm_of(held, out[0])[:2] for _ in range(often)} == {("base", 0.25), ("cold", 0.75)}


def test_what_is_refused_is_counted_and_says_nothing_of_who_asked(gateway: Gateway) -> None:
    for _ in range(3):
        assert gateway.http.get("/v1/orders", headers={"Authorization": "Bearer of nobody"}).status_code == 401
    service = {"Authorization": f"Bearer {gateway.token('service')}"}
    assert gateway.http.get("/v1/orders", headers=service).status_code == 403
    assert gateway.http.get(f"/v1/orders/{uuid4()}").status_code == 404

    def told() -> set[tuple[int, str, int, int]]:
        found = gateway.http.get("/v1/refusals").raise_for_status().json()
        return {(each["status"], each["code"], each["last_hour"], each["last_day"]) for each in found}

    until(lambda: told() == {(401, "unauthorized", 3, 3), (403, "forbidden", 1, 1)})
    assert gateway.http.get("/v1/pages").json() == {"grafana": None}
