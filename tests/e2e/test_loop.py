"""The whole loop through the public API on real parts: two cohorts of simulated listeners, one cycle."""

import asyncio
import hashlib
import re
import statistics
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import UUID

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.rows import dict_row
from rich.console import Console

from schemas.registry import CANDIDATE, CHAMPION, model_name
from services.gateway.assignment import STEADY, Draw, draw_arm, draw_wish, holding_back
from tests.services.gateway.conftest import PATIENCE_MS, page
from tests.stacks import RunningStack
from training.study.client import Client
from training.study.demo import Plan, Play
from training.study.report import OVERALL

__all__ = ["page"]  # a fixture

pytestmark = pytest.mark.e2e

PLAN = Plan(listeners=4, cohorts=2, cycles=1, hear=4, canary=6, seconds=4.0, seed=7, shift=0.8)


@dataclass(frozen=True)
class Played:
    """`people` are the play's listeners: other tests have theirs on the same stack."""

    stack: RunningStack
    people: list[UUID]
    facts: dict[str, Any]

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Of a query that says `%(people)s` where it means them."""
        with psycopg.connect(self.stack.postgres_dsn, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), {"people": self.people}).fetchall()


@pytest.fixture(scope="module")
def played(stack: RunningStack) -> Played:
    with psycopg.connect(stack.postgres_dsn) as connection:  # so few listeners would all be hidden
        connection.execute("update analytics.policy set min_listeners = 1")

    async def play() -> Played:
        client = Client(stack.gateway_url, stack.token("service", "demo"), stack.token("operator"))
        demo = Play(client, PLAN, Console(), {})
        try:
            await demo.run()
            return Played(stack, [listener.listener_id for listener in demo.listeners], await demo.facts())
        finally:
            await client.close()

    return asyncio.run(play())


def test_every_acknowledged_event_is_folded_once(played: Played) -> None:
    events = played.facts["events"]
    assert events["folded"] == events["acknowledged"] > 0
    assert events["dead_lettered"] == 0
    [heard] = played.rows(
        "select count(*) as tracks, count(r.stars) as rated, count(p.heard) as played"
        " from feedback.tracks t left join feedback.ratings r using (track_id)"
        " left join feedback.plays p using (track_id) where t.listener_id = any(%(people)s)"
    )
    assert heard["tracks"] == heard["rated"] == heard["played"] >= PLAN.listeners * (PLAN.hear + PLAN.canary)


def test_each_track_has_the_arm_that_its_listeners_salt_draws_and_that_arms_model(played: Played) -> None:
    tracks = played.rows(
        "select t.*, r.salt, r.plan -> 'shares' as shares, (r.plan ->> 'twins')::float8 as twins, m.candidate_version"
        " from feedback.tracks t"
        " left join rollout.releases r using (release_id)"
        " left join rollout.members m on (m.release_id, m.listener_id) = (t.release_id, t.listener_id)"
        " where t.listener_id = any(%(people)s) order by t.track_id"
    )
    # How many depends on when the rollout decided: later tracks are outside the canary again.
    assert any(track["release_id"] for track in tracks)
    models = played.rows("select * from rollout.listener_models where listener_id = any(%(people)s)")
    champions = {model["listener_id"]: model["champion_version"] for model in models}
    watched = {
        row["listener_id"]: row["held_back"]
        for row in played.rows(
            "select w.listener_id, (r.care ->> 'held_back')::double precision as held_back"
            " from rollout.listener_models w join rollout.releases r on r.release_id = w.watched_release_id"
            " where w.listener_id = any(%(people)s)"
        )
    }
    asked: dict[UUID, int] = defaultdict(int)
    draws = _drawn(tracks, watched, played.stack.told("gateway")["ENCORE_ARM_SALT"])
    for track in tracks:
        in_canary = track["release_id"] is not None
        before_release = asked[track["listener_id"]] < PLAN.hear
        asked[track["listener_id"]] += 1
        assert not (in_canary and before_release)
        draw = draws[track["track_id"]]
        assert (track["arm"], track["propensity"]) == (draw.arm, pytest.approx(draw.propensity))
        version = track["candidate_version"] if draw.arm == "candidate" else None
        if draw.arm == "champion" and not in_canary and not before_release:
            # The rollout has decided: what it made champion plays.
            version = champions.get(track["listener_id"])
        expected = None if version is None else f"{model_name(track['listener_id'])}/{version}"
        assert track["model_version"] == expected


def test_a_canarys_wishes_are_made_twice_and_voted_on(played: Played) -> None:
    pairs = played.rows("select * from analytics.pairs where listener_id = any(%(people)s)")
    assert pairs
    assert all({pair["first_arm"], pair["second_arm"]} == {"champion", "candidate"} for pair in pairs)
    [decision] = played.rows(
        "select inputs -> 'evidence' -> 'listeners' as listeners from rollout.decisions"
        " join rollout.members using (release_id)"
        " where (inputs ->> 'final')::boolean and listener_id = any(%(people)s) group by decision_id, inputs"
    )
    votes = [vote for listener in decision["listeners"] for _, vote, *_ in listener["pairs"] if vote is not None]
    assert 0 < len(votes) <= len(pairs)


def _drawn(tracks: list[dict[str, Any]], watched: dict[UUID, float], salt: str) -> dict[UUID, Draw]:
    """What the arms follow from, wish by wish: outside a canary the track, in it also how many went to either side.
    After a promotion a part is held back for the version before."""
    wishes: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for track in tracks:
        wishes[track["pair_id"] or track["track_id"]].append(track)
    sides: dict[UUID, int] = {}
    draws: dict[UUID, Draw] = {}
    for wish in wishes.values():
        who, first = wish[0]["listener_id"], wish[0]["track_id"]
        if wish[0]["release_id"] is None:
            shares = holding_back(STEADY, watched[who]) if who in sides and who in watched else STEADY
            draws[first] = draw_arm(salt, who, first, shares)
            continue
        made = draw_wish(
            wish[0]["salt"], who, first, wish[0]["shares"], number=sides.setdefault(who, 0), twins=wish[0]["twins"]
        )
        sides[who] += made[0].arm in ("champion", "candidate")
        draws |= {track["track_id"]: draw for track, draw in zip(wish, made, strict=True)}
    return draws


def test_every_listener_has_one_registered_adapter_whose_bytes_are_the_registered_ones(played: Played) -> None:
    adapters = played.rows("select * from training.adapters where listener_id = any(%(people)s)")
    assert len({adapter["listener_id"] for adapter in adapters}) == len(adapters)
    assert len(adapters) == played.facts["versions_registered"] > 0
    for adapter in adapters:
        data = Path(urlparse(adapter["url"]).path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == adapter["sha256"]
        version = _registry(played.stack, adapter["listener_id"], adapter["version"])
        tags = {tag["key"]: tag["value"] for tag in version["tags"]}
        assert tags["encore.sha256"] == adapter["sha256"]
        assert tags["encore.snapshot_sha256"] == adapter["snapshot_sha256"]


def test_what_operators_are_linked_to_is_that_version_and_that_run_in_mlflow(played: Played, page: Page) -> None:
    headers = {"Authorization": f"Bearer {played.stack.token('operator')}"}
    learner = played.rows("select * from training.adapters where listener_id = any(%(people)s)")[0]["listener_id"]
    with httpx.Client(base_url=played.stack.gateway_url, headers=headers, timeout=120) as http:
        version = http.get("/v1/versions", params={"listener_id": str(learner)}).raise_for_status().json()[0]
        curve = http.get(f"/v1/rounds/{version['round_id']}/curve").raise_for_status().json()
    user, password = played.stack.mlflow_login("operator")
    page.set_extra_http_headers({"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"})
    page.goto(version["mlflow_url"])
    expect(page.get_by_role("heading", name=f"Version {version['version']}")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(model_name(learner)).first).to_be_visible(timeout=PATIENCE_MS)
    run = curve["mlflow_url"].rpartition("/")[2]
    page.goto(curve["mlflow_url"])
    expect(page).to_have_url(re.compile(rf"/experiments/\d+/runs/{run}"), timeout=PATIENCE_MS)
    expect(page.get_by_role("tab", name="Model metrics")).to_be_visible(timeout=PATIENCE_MS)


def test_the_decision_is_stored_with_its_inputs_and_the_aliases_follow_it(played: Played) -> None:
    [release] = played.rows(
        "select * from rollout.releases"
        " where release_id in (select release_id from rollout.members where listener_id = any(%(people)s))"
    )
    decisions = played.rows("select * from rollout.decisions order by look")
    own = [decision for decision in decisions if decision["release_id"] == release["release_id"]]
    assert release["status"] in ("promoted", "held", "rolled_back")
    assert own[-1]["inputs"]
    for member in played.rows("select * from rollout.listener_models where listener_id = any(%(people)s)"):
        champion = member["champion_version"]
        aliases = _aliases(played.stack, member["listener_id"])
        assert CANDIDATE not in aliases
        assert aliases.get(CHAMPION) == (str(champion) if champion else None)
        assert release["status"] == "promoted" or champion is None


def test_the_uplift_shown_is_that_of_the_stored_ratings(played: Played) -> None:
    """Overall and for every cohort with a member, also one in which nobody happened to rate both arms."""
    stars: dict[UUID, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in played.rows(
        "select r.listener_id, t.arm, r.stars from feedback.ratings r join feedback.tracks t using (track_id)"
        " where t.release_id is not null and r.listener_id = any(%(people)s)"
    ):
        stars[row["listener_id"]][row["arm"]].append(row["stars"])
    members: dict[str, set[UUID]] = defaultdict(set)
    for row in played.rows(
        "select c.* from analytics.cohorts c join rollout.members using (listener_id)"
        " where listener_id = any(%(people)s)"
    ):
        members[row["cohort"]].add(row["listener_id"])
    [cycle] = played.facts["cycles"]
    shown = {cohort["cohort"]: cohort for cohort in cycle["cohorts"]} | {OVERALL: cycle}
    assert shown.keys() == members.keys() > {OVERALL}
    for cohort, people in members.items():
        rated = [stars[who] for who in people if stars[who]["base"] and stars[who]["candidate"]]
        differences = [statistics.mean(arms["candidate"]) - statistics.mean(arms["base"]) for arms in rated]
        uplift = shown[cohort]["uplift"]
        estimate = pytest.approx(statistics.mean(differences), abs=1e-6) if len(differences) > 1 else None
        assert (uplift["estimate"], uplift["listeners"]) == (estimate, len(differences))
        assert uplift["ratings"] == sum(len(arms["candidate"]) + len(arms["base"]) for arms in rated)


def _registry(stack: RunningStack, listener_id: UUID, version: int) -> dict[str, Any]:
    return dict(
        httpx.get(
            f"{stack.mlflow_url}/api/2.0/mlflow/model-versions/get",
            params={"name": model_name(listener_id), "version": str(version)},
            auth=stack.mlflow_login("operator"),
            timeout=120,
        )
        .raise_for_status()
        .json()["model_version"]
    )


def _aliases(stack: RunningStack, listener_id: UUID) -> dict[str, str]:
    answer = httpx.get(
        f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/get",
        params={"name": model_name(listener_id)},
        auth=stack.mlflow_login("operator"),
        timeout=120,
    )
    model = answer.raise_for_status().json()["registered_model"]
    return {alias["alias"]: alias["version"] for alias in model.get("aliases", [])}
