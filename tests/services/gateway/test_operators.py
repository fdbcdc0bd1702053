"""What operators and analysts read: uplift, rounds and wishes for one, releases with their decisions."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from schemas.events import Arm
from services.gateway.assignment import draw_arm, draw_wish
from tests.services.gateway.conftest import Gateway, until

SHARES: dict[Arm, float] = {"base": 0.2, "champion": 0.4, "candidate": 0.4}


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
    again = gateway.http.post("/v1/rounds", json={"listeners": [listener_id]}).json()
    assert [each["round_id"] for each in gateway.http.get("/v1/rounds").json()] == [again["round_id"], wish["round_id"]]
    round_id = uuid4()
    postgres.execute(
        "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', %s)",
        (round_id, [UUID(listener_id)]),
    )
    for each in (wish, again):
        postgres.execute("insert into training.fulfilled values (%s, %s)", (each["round_id"], round_id))
    postgres.execute(
        "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256)"
        " values (%s, 1, %s, '', '', '', 8, '')",
        (listener_id, round_id),
    )
    (found,) = gateway.http.get("/v1/rounds").json()
    assert (found["round_id"], found["status"], found["versions"]) == (str(round_id), "trained", 1)
    assert found["created_at"] == wish["created_at"]
    for each in (wish, again):
        assert gateway.http.get(f"/v1/rounds/{each['round_id']}").json() == found
        assert gateway.http.get(f"/v1/rounds/{each['round_id']}/curve").json()["round_id"] == str(round_id)


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
    plan = {"shares": SHARES, "twins": 0.5}
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


def test_a_canary_is_heard_with_its_adapters_shares_and_twins(
    gateway: Gateway, listener_id: str, release_id: UUID
) -> None:
    made: list[list[str]] = []
    while len(made) < 12 or (len(made) < 100 and {len(each) for each in made} != {1, 2}):
        made.append(halves(gateway, gateway.ask(listener_id, seconds=2)))
        for half in made[-1]:
            gateway.finished(half)
    rows = stored(gateway)
    versions = {"base": None, "champion": 1, "candidate": 2}
    wishes = list(dict.fromkeys(row.pair_id or row.track_id for row in rows))
    assert len(wishes) == len(made)
    sides = 0
    for wish in wishes:
        own = [row for row in rows if wish in (row.pair_id, row.track_id)]
        draws = draw_wish("s", UUID(listener_id), own[0].track_id, SHARES, number=sides, twins=0.5)
        assert [(row.arm, row.propensity) for row in own] == [(d.arm, pytest.approx(d.propensity)) for d in draws]
        sides += draws[0].arm != "base"
    assert {len([row for row in rows if row.pair_id == wish]) for wish in wishes} == {0, 2}
    for row in rows:
        assert row.release_id == release_id
        assert (row.request["adapter"] or {}).get("version") == versions[row.arm]


@pytest.mark.usefixtures("release_id")
def test_twins_share_prompt_and_seed_and_the_other_take_is_found(gateway: Gateway, listener_id: str) -> None:
    asked = gateway.ask(listener_id, seconds=2)
    while asked["pair_id"] is None:
        gateway.finished(asked["track_id"])
        asked = gateway.ask(listener_id, seconds=2)
    pair = gateway.http.get(f"/v1/pairs/{asked['pair_id']}").json()
    assert pair["first"]["track_id"] == asked["track_id"]
    assert (pair["second"]["prompt"], pair["second"]["seed"]) == (asked["prompt"], asked["seed"])


@pytest.mark.usefixtures("release_id")
def test_a_wish_that_may_not_be_made_twice_is_made_once(gateway: Gateway, listener_id: str) -> None:
    for _ in range(8):
        asked = gateway.ask(listener_id, seconds=2, twin=False)
        assert asked["pair_id"] is None
        gateway.finished(asked["track_id"])


@pytest.mark.usefixtures("release_id")
def test_where_one_more_track_may_be_open_a_wish_is_made_once(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    most = gateway.settings.open_tracks_per_listener
    opened = 0
    while opened < most:
        opened += len(halves(gateway, gateway.ask(listener_id, seconds=2)))
    assert opened == most
    gateway.engine.paused = False


def halves(gateway: Gateway, track: dict[str, Any]) -> list[str]:
    """Ids of the tracks of the wish that this track is of."""
    if track["pair_id"] is None:
        return [track["track_id"]]
    pair = gateway.http.get(f"/v1/pairs/{track['pair_id']}").json()
    return [pair[side]["track_id"] for side in ("first", "second")]


def stored(gateway: Gateway) -> list[Any]:
    """The gateway's own rows of tracks, in the order in which they were asked for."""
    with psycopg.connect(gateway.settings.postgres_dsn, row_factory=namedtuple_row) as connection:
        return connection.execute("select * from gateway.tracks order by created_at, track_id").fetchall()


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
    salt = gateway.settings.arm_salt.get_secret_value()
    for track_id, arm, propensity, release, request in rows:
        draw = draw_arm(salt, UUID(listener_id), track_id, {"base": 0.25, "champion": 0.75, "previous": 0.75})
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
        postgres.execute("lock table feedback.rating_sums in access exclusive mode")
        asked = [boxes.submit(ask) for _ in range(16)]
        until(lambda: postgres.execute("select from pg_locks where not granted").fetchone() is not None)
        listener_id = gateway.listener()
        assert httpx.get(f"{gateway.inside_url}/ready", timeout=60).json()["postgres"] == "ok"
        assert not all(each.done() for each in asked)
        assert {each.result() for each in asked} == {503}
    assert gateway.http.get(f"/v1/listeners/{listener_id}").status_code == 200
    assert ask() == 200


def test_the_engine_says_what_its_replicas_do(gateway: Gateway) -> None:
    (told,) = gateway.http.get("/v1/engine").json()["replicas"]
    assert told == {
        "replica": "a1", "rows": 3, "most_rows": 8, "waiting": 1, "step_seconds": 0.05,
        "adapters": {"resident": 5, "slots": 65, "pinned": 2},
    }  # fmt: skip
    gateway.engine.away = True
    answer = gateway.http.get("/v1/engine")
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_away")
