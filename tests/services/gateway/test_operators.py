"""What operators and analysts read: uplift, rounds and wishes for one, releases with their decisions."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.gateway.assignment import draw_arm
from tests.services.gateway.conftest import Gateway


@pytest.fixture
def postgres(gateway: Gateway) -> Any:
    """A connection with which the tests write what other processes would."""
    with psycopg.connect(gateway.settings.postgres_dsn, autocommit=True) as connection:
        yield connection


def test_a_wish_for_a_round_is_found_before_and_after_it_became_one(gateway: Gateway, postgres: Any) -> None:
    listener_id = gateway.listener()
    asked = gateway.http.post("/v1/rounds", json={"listeners": [listener_id]})
    assert asked.status_code == 202
    wish = asked.json()
    assert (wish["status"], wish["listeners"]) == ("requested", 1)
    assert gateway.http.get(asked.headers["location"]).json() == wish
    round_id = uuid4()
    postgres.execute(
        "insert into training.rounds (round_id, request_id, status, listeners) values (%s, %s, 'trained', %s)",
        (round_id, wish["round_id"], [UUID(listener_id)]),
    )
    postgres.execute(
        "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256)"
        " values (%s, 1, %s, '', '', '', 8, '')",
        (listener_id, round_id),
    )
    (found,) = gateway.http.get("/v1/rounds").json()
    assert (found["round_id"], found["status"], found["versions"]) == (str(round_id), "trained", 1)
    assert gateway.http.get(asked.headers["location"]).json() == found


@pytest.fixture
def release_id(postgres: Any, listener_id: str) -> UUID:
    """A canary with candidate version 2 of the listener's adapter, and one decision."""
    round_id, release_id, sha = uuid4(), uuid4(), "a" * 64
    postgres.execute(
        "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', '{}')", (round_id,)
    )
    for version in (1, 2):
        postgres.execute(
            "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank,"
            " snapshot_sha256) values (%s, %s, %s, %s, %s, %s, 8, '')",
            (listener_id, version, round_id, f"file:///adapter-{version}", sha, sha),
        )
    plan = {"shares": {"base": 0.2, "champion": 0.4, "candidate": 0.4}}
    postgres.execute(
        "insert into rollout.releases (release_id, round_id, status, salt, plan) values (%s, %s, 'canary', 's', %s)",
        (release_id, round_id, Jsonb(plan)),
    )
    postgres.execute("insert into rollout.members values (%s, %s, 2, 1)", (release_id, listener_id))
    postgres.execute("insert into rollout.listener_models values (%s, 1, null, 2, %s)", (listener_id, release_id))
    postgres.execute(
        "insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)"
        " values (%s, %s, 1, 'hold', 'too few ratings',"
        ' \'{"ratings": 3, "keeps": ["a"], "evidence": {"listeners": []}}\')',
        (uuid4(), release_id),
    )
    return release_id


def test_a_release_is_shown_with_its_decisions(gateway: Gateway, release_id: UUID) -> None:
    (release,) = gateway.http.get("/v1/releases").json()
    assert release == gateway.http.get(f"/v1/releases/{release_id}").json()
    assert (release["status"], release["listeners"], release["joined"]) == ("canary", 1, 1)
    assert (release["watched"], release["paused"]) == (0, False)
    (decision,) = release["decisions"]
    assert (decision["verdict"], decision["inputs"]) == ("hold", {"ratings": 3, "kept": 1})
    whole = gateway.http.get(decision["url"])
    assert whole.json() == {"ratings": 3, "keeps": ["a"], "evidence": {"listeners": []}}
    assert (hashlib.sha256(whole.content).hexdigest(), len(whole.content)) == (decision["sha256"], decision["bytes"])
    assert gateway.http.get(decision["url"].replace(decision["decision_id"], str(uuid4()))).status_code == 404


def test_a_canary_is_heard_with_its_adapters_and_shares(gateway: Gateway, listener_id: str, release_id: UUID) -> None:
    for _ in range(12):
        gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        rows = connection.execute(
            "select track_id, arm, propensity, release_id, request from gateway.tracks"
        ).fetchall()
    assert len(rows) == 12
    versions = {"base": None, "champion": 1, "candidate": 2}
    for track_id, arm, propensity, release, request in rows:
        draw = draw_arm("s", UUID(listener_id), track_id, {"base": 0.2, "champion": 0.4, "candidate": 0.4})
        assert release == release_id
        assert (arm, propensity) == (draw.arm, pytest.approx(draw.propensity))
        assert (request["adapter"] or {}).get("version") == versions[arm]


def test_a_watched_promotion_is_heard_beside_what_was_before(
    gateway: Gateway, postgres: Any, listener_id: str, release_id: UUID
) -> None:
    postgres.execute("update rollout.releases set status = 'promoted', care = '{\"held_back\": 0.5}'")
    postgres.execute(
        "update rollout.listener_models set champion_version = 2, previous_version = 1, candidate_version = null,"
        " release_id = null, watched_release_id = %s",
        (release_id,),
    )
    for _ in range(16):
        gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
    rows = postgres.execute("select track_id, arm, propensity, release_id, request from gateway.tracks").fetchall()
    versions = {"base": None, "champion": 2, "previous": 1}
    for track_id, arm, propensity, release, request in rows:
        draw = draw_arm("encore", UUID(listener_id), track_id, {"base": 0.25, "champion": 0.75, "previous": 0.75})
        assert (arm, propensity, release) == (draw.arm, pytest.approx(draw.propensity), None)
        assert (request["adapter"] or {}).get("version") == versions[arm]
    pair = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "seconds": 2}).json()
    arms = postgres.execute("select arm from gateway.tracks where pair_id = %s", (pair["pair_id"],)).fetchall()
    assert {arm for (arm,) in arms} == {"base", "champion"}


def test_questions_that_take_long_do_not_stop_the_answers(gateway: Gateway, postgres: Any) -> None:
    """Sixteen boxes ask for uplift while nobody can read what ratings add up to; everything else goes on."""

    def ask() -> int:
        return gateway.http.get("/v1/uplift", params={"cohort": "all"}).status_code

    with ThreadPoolExecutor(16) as boxes, postgres.transaction():
        postgres.execute("lock table feedback.rollups in access exclusive mode")
        asked = [boxes.submit(ask) for _ in range(16)]
        listener_id = gateway.listener()
        assert httpx.get(f"{gateway.inside_url}/ready").json()["postgres"] == "ok"
        assert not all(each.done() for each in asked)
        assert {each.result() for each in asked} == {503}
    assert gateway.http.get(f"/v1/listeners/{listener_id}").status_code == 200
    assert ask() == 200
