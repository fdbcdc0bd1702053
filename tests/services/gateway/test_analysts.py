"""What analysts ask: uplift by cohort and release, and by any crossing of dimensions."""

import random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from schemas.analysis import EVERY_RELEASE
from services.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import Gateway


@pytest.fixture
def settings(settings: GatewaySettings) -> GatewaySettings:
    return settings.model_copy(update={"consent_default": "training;analysis"})


@pytest.fixture
def postgres(gateway: Gateway) -> Any:
    """A connection with which the tests write what other processes would."""
    with psycopg.connect(gateway.settings.postgres_dsn, autocommit=True) as connection:
        yield connection


def rated(postgres: Any, listener_id: str, arm: str, stars: int, release_id: UUID | None = None) -> None:
    track_id = uuid4()
    postgres.execute(
        "insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, prompt, seconds,"
        " features_url, sha256, made_at) values (%s, %s, %s, 0.5, %s, '', 5, '', '', now())",
        (track_id, listener_id, arm, release_id),
    )
    postgres.execute(
        "insert into feedback.ratings values (%s, %s, %s, now(), %s)", (listener_id, track_id, stars, uuid4())
    )


def test_uplift_is_told_by_cohort_and_release(gateway: Gateway, postgres: Any) -> None:
    postgres.execute("update analytics.policy set min_listeners = 1")
    release_id = uuid4()
    for home, gain in (("folk", 1), ("folk", 3), ("rock", 0)):
        listener_id = gateway.listener(home=home)
        rated(postgres, listener_id, "base", 2, release_id)
        rated(postgres, listener_id, "candidate", 2 + gain, release_id)
        rated(postgres, listener_id, "base", 4)
    report = gateway.http.get("/v1/uplift", params={"cohort": "home=folk", "release_id": str(release_id)}).json()
    (uplift,) = report["uplift"]
    assert (uplift["estimate"], uplift["listeners"], uplift["ratings"]) == (2, 2, 4)
    assert uplift["low"] < 0 < uplift["high"]
    means = {arm["arm"]: (arm["mean"], arm["ratings"], arm["listeners"]) for arm in report["arms"]}
    assert means == {"base": (2, 2, 2), "candidate": (4, 2, 2)}
    every = gateway.http.get("/v1/uplift").json()
    assert {arm["cohort"] for arm in every["arms"]} == {"all", "home=folk", "home=rock"}
    overall = {arm["arm"]: arm["mean"] for arm in every["arms"] if arm["cohort"] == "all"}
    assert overall["base"] == 3


@pytest.fixture
def release_id(gateway: Gateway, postgres: Any) -> UUID:
    """A running canary: 24 listeners in two countries, of whom those on the phone like the candidate better."""
    release, draw = uuid4(), random.Random(1)
    postgres.execute(
        "insert into rollout.releases (release_id, round_id, status, salt, plan) values (%s, %s, 'canary', '', '{}')",
        (release, release),
    )
    for index in range(24):
        device = "phone" if index < 12 else "desktop"
        listener_id = gateway.listener(device=device, country="at" if index % 2 else "ch")
        for _ in range(3):
            rated(postgres, listener_id, "cold", draw.randint(1, 3), release)
            rated(postgres, listener_id, "candidate", draw.randint(*((4, 5) if index < 12 else (1, 3))), release)
    postgres.execute("select feedback.refresh_cells(%s)", (release,))
    postgres.execute("delete from feedback.rollup_changes")
    postgres.execute("insert into feedback.cell_refreshes values (%s, now(), 0)", (release,))
    return release


def cells(gateway: Gateway, release_id: UUID, **asked: str) -> dict[str, Any]:
    answer = gateway.http.get("/v1/uplift/cells", params={"release_id": str(release_id), **asked})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_crossing_is_told_with_all_that_many_comparisons_allow_to_say(gateway: Gateway, release_id: UUID) -> None:
    answer = cells(gateway, release_id, by="device")
    assert [answer[name] for name in ("metric", "unit", "arm", "baseline")] == ["stars", "stars", "candidate", "cold"]
    assert (answer["status"], answer["interval"], answer["family"], answer["hidden"]) == ("canary", "anytime", 2, 0)
    assert answer["complete"]
    desktop, phone = answer["cells"]
    assert (desktop["cell"], phone["cell"]) == ({"device": "desktop"}, {"device": "phone"})
    assert phone["listeners"] == 12
    assert phone["observations"] == 72
    assert phone["estimate"] == pytest.approx(phone["arm_mean"] - phone["baseline_mean"])
    assert phone["relative"] == pytest.approx(phone["estimate"] / phone["baseline_mean"])
    assert phone["family_low"] < phone["low"] < phone["shrunken"] < phone["estimate"] < phone["high"]
    assert phone["p"] <= phone["p_bh"] <= phone["p_holm"] < 0.05 < desktop["p"]
    assert answer["heterogeneity"]["i_squared"] > 0.5


def test_after_the_release_the_interval_is_read_once_and_shorter(
    gateway: Gateway, postgres: Any, release_id: UUID
) -> None:
    running = cells(gateway, release_id)["cells"][0]
    postgres.execute("update rollout.releases set status = 'promoted'")
    postgres.execute("insert into feedback.rollup_changes values (%s)", (release_id,))
    over = cells(gateway, release_id)
    assert (over["interval"], over["complete"], over["heterogeneity"]) == ("fixed", False, None)
    assert over["cells"][0]["estimate"] == running["estimate"]
    assert running["low"] < over["cells"][0]["low"]


def test_small_cells_say_nothing_but_their_name(gateway: Gateway, release_id: UUID) -> None:
    answer = cells(gateway, release_id, by="country,device")
    assert (answer["hidden"], answer["family"]) == (4, 0)
    for cell in answer["cells"]:
        assert {name for name, value in cell.items() if value is not None} == {"cell", "hidden"}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"by": "hat"}, "by"), ({"by": "country,country"}, "by"), ({"by": "country,age_band,taste,device,home"}, "by"),
        ({"metric": "joy"}, "metric"), ({"arm": "nobody"}, "arm"), ({"arm": "cold", "baseline": "cold"}, "baseline"),
        ({"per": "hour"}, "per"), ({"by": "style", "per": "day"}, "per"), ({"until": "soon"}, "until"),
        ({"release_id": "x"}, "release_id"), ({"release_id": str(EVERY_RELEASE), "per": "day"}, "per"),
        ({"release_id": str(EVERY_RELEASE), "by": "tenure"}, "by"),
        ({"release_id": str(EVERY_RELEASE), "by": "style"}, "by"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_is_refused_by_its_field(gateway: Gateway, asked: dict[str, str], field: str) -> None:
    answer = gateway.http.get("/v1/uplift/cells", params=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["expected"]


def test_all_releases_together_are_told_by_method_and_say_when_one_has_changed(
    gateway: Gateway, postgres: Any, release_id: UUID
) -> None:
    postgres.execute(
        "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', '{}')", (release_id,)
    )
    postgres.execute(
        "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256,"
        " method) select listener_id, 1, %(id)s, '', '', '', 8, '', case attributes ->> 'device' when 'phone' then"
        " 'signed' else 'songs' end from gateway.listeners",
        {"id": release_id},
    )
    postgres.execute(
        "insert into rollout.members (release_id, listener_id, candidate_version)"
        " select %s, listener_id, 1 from training.adapters",
        (release_id,),
    )
    postgres.execute("select feedback.refresh_cells(%s)", (EVERY_RELEASE,))
    answer = cells(gateway, EVERY_RELEASE, by="method")
    assert (answer["status"], answer["interval"], answer["complete"]) == (None, "anytime", True)
    by_device = cells(gateway, release_id, by="device")
    of = {"desktop": "songs", "phone": "signed"}
    assert {cell["cell"]["method"]: cell["estimate"] for cell in answer["cells"]} == {
        of[cell["cell"]["device"]]: cell["estimate"] for cell in by_device["cells"]
    }
    postgres.execute("insert into feedback.rollup_changes values (%s)", (release_id,))
    assert not cells(gateway, EVERY_RELEASE)["complete"]
    postgres.execute("update feedback.rollup_changes set release_id = '00000000-0000-0000-0000-000000000000'")
    assert cells(gateway, EVERY_RELEASE)["complete"]


@pytest.mark.parametrize("metric", ["heard_share", "early_skip", "completion", "pair_wins"])
def test_every_metric_is_answered_where_nothing_was_heard(gateway: Gateway, release_id: UUID, metric: str) -> None:
    answer = cells(gateway, release_id, metric=metric)
    assert (answer["metric"], answer["cells"], answer["family"]) == (metric, [], 0)
