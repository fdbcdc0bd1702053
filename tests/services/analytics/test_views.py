"""The SQL views give the numbers of `services.rollout.stats`, and an analyst can read but not write."""

import random
from collections import defaultdict
from uuid import UUID

import psycopg
import pytest
from scipy import stats as reference

from schemas.events import Arm
from services.identifiers import uuid7
from services.rollout.stats import Ratings, clustered_interval, difference
from tests.services.rollout.world import ARMS, World

PAIRS: tuple[tuple[Arm, Arm], ...] = (
    ("candidate", "cold"),
    ("champion", "cold"),
    ("candidate", "champion"),
    ("candidate", "base"),
    ("champion", "base"),
    ("cold", "base"),
)
Given = dict[tuple[UUID | None, UUID, Arm], list[int]]


def rated_at_random(world: World, seed: int) -> tuple[Given, dict[str, set[UUID]]]:
    """Listeners in cohorts, ratings in two releases and outside: who rates what is uneven, some rate nothing."""
    draw = random.Random(seed)
    cohorts: dict[str, set[UUID]] = defaultdict(set)
    for index in range(12):
        home = draw.choice(["folk", "rock", "one"]) if index else "alone"
        who = world.listener(f'{{"home": "{home}", "age": "{index % 2}"}}')
        for cohort in ("all", f"home={home}", f"age={index % 2}"):
            cohorts[cohort].add(who)
    given: Given = {}
    for release in (None, uuid7(), uuid7()):
        rows = []
        for who in sorted(cohorts["all"]):
            for arm in ARMS:
                stars = [draw.randint(1, 5) for _ in range(draw.choice([0, 1, 2, 5]))]
                given[release, who, arm] = stars
                rows += [(who, arm, star) for star in stars]
        world.ratings(rows, release)
    return given, cohorts


@pytest.mark.parametrize("seed", [1, 2])
def test_uplift_is_the_clustered_interval_of_the_statistics(world: World, seed: int) -> None:
    given, cohorts = rated_at_random(world, seed)
    seen = {
        (row["release_id"], row["cohort"], row["arm"], row["baseline"]): row
        for row in world.do("select * from analytics.uplift")
    }
    expected = 0
    for release in {release for release, _, _ in given}:
        for cohort, people in cohorts.items():
            for arm, baseline in PAIRS:
                own = {w: (Ratings.of(given[release, w, baseline]), Ratings.of(given[release, w, arm])) for w in people}
                values = {w: difference(*both) for w, both in own.items()}
                known = [value for value in values.values() if value is not None]
                row = seen.get((release, cohort, arm, baseline))
                if not known:
                    assert row is None
                    continue
                assert row is not None
                expected += 1
                interval = clustered_interval(known)
                numbers = (row["estimate"], row["low"], row["high"])
                if interval is None:
                    assert numbers == (None, None, None)
                else:
                    assert numbers == pytest.approx((interval.estimate, interval.low, interval.high), abs=1e-3)
                assert row["listeners"] == len(known)
                assert row["ratings"] == sum(a.count + b.count for w, (a, b) in own.items() if values[w] is not None)
    assert len(seen) == expected


def test_a_cohort_that_took_part_is_shown_though_nobody_rated_both_arms(world: World) -> None:
    rated, silent = world.listener('{"home": "folk"}'), world.listener('{"home": "rock"}')
    round_id = world.round([rated, silent])
    world.control().turn()
    release_id = world.release(round_id)["release_id"]
    world.ratings([(rated, "base", 2), (rated, "candidate", 4), (silent, "base", 3)], release_id)
    rows = {
        (row["cohort"], row["arm"], row["baseline"]): (row["estimate"], row["low"], row["listeners"], row["ratings"])
        for row in world.do("select * from analytics.uplift where release_id = %s", release_id)
    }
    assert set(rows) == {(cohort, *pair) for cohort in ("all", "home=folk", "home=rock") for pair in PAIRS}
    assert rows["home=folk", "candidate", "base"] == (None, None, 1, 2)
    assert rows["home=rock", "candidate", "base"] == (None, None, 0, 0)


def test_equal_differences_give_no_interval(world: World) -> None:
    release = uuid7()
    for stars in (1, 2):
        who = world.listener("{}")
        world.ratings([(who, "base", stars), (who, "candidate", stars + 2)], release)
    [row] = world.do("select * from analytics.uplift where cohort = 'all'")
    assert (row["estimate"], row["low"], row["high"]) == (None, None, None)
    assert (row["listeners"], row["ratings"]) == (2, 4)


def test_arm_means_are_means_over_listeners(world: World) -> None:
    given, cohorts = rated_at_random(world, 3)
    for row in world.do("select * from analytics.arm_means"):
        own = [given[row["release_id"], who, row["arm"]] for who in cohorts[row["cohort"]]]
        means = [sum(stars) / len(stars) for stars in own if stars]
        assert row["mean"] == pytest.approx(sum(means) / len(means))
        assert (row["listeners"], row["ratings"]) == (len(means), sum(map(len, own)))


def test_small_cohorts_are_hidden_in_the_views_and_so_is_what_would_tell_of_them(world: World) -> None:
    world.do("update analytics.policy set min_listeners = 10")
    release, draw = uuid7(), random.Random(5)
    for home, count in (("folk", 12), ("rare", 3), ("rock", 14)):
        for _ in range(count):
            who = world.listener(f'{{"home": "{home}"}}')
            world.ratings([(who, arm, draw.randint(1, 5)) for arm in ("base", "candidate")], release)
    for query in (
        "select cohort, estimate as told from analytics.uplift",
        "select cohort, mean as told from analytics.arm_means",
        "select cohort, mean as told from analytics.arm_means_overall",
    ):
        told = {row["cohort"] for row in world.do(query) if row["told"] is not None}
        assert told == {"all", "home=rock"}, query


def test_t_975_is_that_of_scipy_for_all_degrees_of_freedom(world: World) -> None:
    freedom = [*range(1, 121), 200, 1000, 10_000, 2_000_000_000]
    rows = world.do("select f, analytics.t_975(f) as t from unnest(%s::int[]) f", freedom)
    for row in rows:
        assert row["t"] == pytest.approx(reference.t.ppf(0.975, row["f"]), abs=1e-4)
    assert world.one("select analytics.t_975(0) as t")["t"] is None


def test_an_analyst_reads_and_cannot_write(world: World) -> None:
    rated_at_random(world, 4)
    with world.pool.connection() as connection:
        connection.execute("set role encore_analyst")
        for statement in (
            "select * from analytics.uplift",
            "select * from analytics.uplift_by('{device}', 'stars', 'candidate', 'cold', null)",
            "select * from facts.listens",
            "select * from facts.decisions",
        ):
            connection.execute(statement)
        connection.commit()
        for statement in (
            "delete from feedback.ratings",
            "update facts.releases set status = 'promoted'",
            "create table analytics.mine (a int)",
            "select * from gateway.tracks",
            "select salt from rollout.releases",
            "select * from secrets.pseudonyms",
            "select * from feedback.cells",
            "select * from analytics.cohorts",
        ):
            connection.execute("set role encore_analyst")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()
