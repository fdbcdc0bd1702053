"""`analytics.uplift_by` gives the sums of its definition for any crossing, per day and cumulative, and hides small
cells, also those that would follow by subtraction."""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from schemas.analysis import DIMENSIONS, METRICS
from services.identifiers import uuid7
from services.postgres import open_pool
from tests.services.rollout.world import ARMS, World

Rated = list[tuple[UUID, str, int, int]]  # listener, arm, day, stars


@pytest.fixture
def world(postgres_dsn: str) -> Iterator[World]:
    """Empty."""
    with open_pool(postgres_dsn) as pool:
        yield World(pool)


@pytest.fixture
def release(world: World) -> UUID:
    """Thirty listeners in two countries and on two devices, who rate on three days."""
    release_id, draw = uuid7(), random.Random(3)
    for index in range(30):
        who = world.listener(f'{{"country": "{"at" if index < 15 else "ch"}", "device": "d{index % 2}"}}')
        for day in (1, 2, 3):
            given = [(who, arm, draw.randint(1, 5)) for arm in ARMS for _ in range(draw.choice([0, 1, 2]))]
            world.ratings(given, release_id)
            world.do(
                "update feedback.ratings set rated_at = %s where listener_id = %s and rated_at > '2026-03-01'",
                f"2026-02-0{day} 12:00+00", who,
            )  # fmt: skip
    world.do("select feedback.refresh_cells(%s)", release_id)
    return release_id


def ask(world: World, release: UUID, by: list[str], per: str = "whole", until: str | None = None) -> dict[Any, Any]:
    """(cell, day) to (listeners, observations, d, dd, b, bb, db)."""
    names = ("listeners", "observations", "d", "dd", "b", "bb", "db")
    rows = world.do(
        "select * from analytics.uplift_by(%s::text[], 'stars', 'candidate', 'cold', %s, %s, %s)",
        by, release, per, until,
    )  # fmt: skip
    return {(tuple(r["cell"]), r["day"] and r["day"].day): tuple(r[n] for n in names) for r in rows}


def plain(world: World, release: UUID, by: list[str], per: str, until: int = 9) -> dict[Any, Any]:
    """The same by the definition, from the ratings."""
    stars: dict[Any, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    cells: dict[UUID, tuple[str, ...]] = {}
    days: list[int | None] = [None] if per == "whole" else [1, 2, 3]
    for row in world.do(
        "select r.listener_id, t.arm, r.stars, extract(day from r.rated_at)::int as day, l.attributes"
        " from feedback.ratings r join feedback.tracks t using (track_id) join gateway.listeners l on"
        " l.listener_id = r.listener_id where t.release_id = %s and extract(day from r.rated_at) <= %s",
        release, until,
    ):  # fmt: skip
        cells[row["listener_id"]] = tuple(row["attributes"].get(name, "unknown") for name in by)
        for day in days:
            if day is None or row["day"] == day or (per == "cumulative" and row["day"] < day):
                stars[row["listener_id"], day][row["arm"]].append(row["stars"])
    found: dict[Any, list[float]] = defaultdict(lambda: [0.0] * 7)
    for (who, day), arms in stars.items():
        if arms["candidate"] and arms["cold"]:
            a, b = (sum(arms[arm]) / len(arms[arm]) for arm in ("candidate", "cold"))
            adds = (1, len(arms["candidate"]) + len(arms["cold"]), a - b, (a - b) ** 2, b, b * b, (a - b) * b)
            own = found[cells[who], day]
            for place, value in enumerate(adds):
                own[place] += value
    return {key: tuple(value) for key, value in found.items()}


@pytest.mark.parametrize("by", [[], ["country"], ["device", "country"], ["taste", "home"]])
@pytest.mark.parametrize("per", ["whole", "day", "cumulative"])
def test_sums_are_those_of_the_definition(world: World, release: UUID, by: list[str], per: str) -> None:
    world.do("update analytics.policy set min_listeners = 1")
    expected = plain(world, release, by, per)
    seen = ask(world, release, by, per)
    assert seen.keys() == expected.keys()
    for key, numbers in expected.items():
        assert seen[key] == pytest.approx(numbers, abs=1e-6), key


def test_as_of_a_day_only_what_was_until_then_counts(world: World, release: UUID) -> None:
    expected = plain(world, release, ["country"], "whole", until=2)
    assert ask(world, release, ["country"], until="2026-02-02") == {
        key: pytest.approx(numbers, abs=1e-6) for key, numbers in expected.items()
    }


def test_arms_in_the_other_order_give_the_opposite(world: World, release: UUID) -> None:
    query = "select d, dd, b, bb, db from analytics.uplift_by('{}', 'stars', %s, %s, %s)"
    d, dd, b, bb, db = world.one(query, "candidate", "cold", release).values()
    other = world.one(query, "cold", "candidate", release)
    a2 = bb + 2 * db + dd
    assert tuple(other.values()) == pytest.approx((-d, dd, b + d, a2, -(db + dd)), abs=1e-6)


def shown(world: World, groups: dict[tuple[str, str], int], by: list[str]) -> set[tuple[str, ...]]:
    """The cells that are told when so many listeners are in each."""
    release_id = uuid7()
    for (country, device), count in groups.items():
        for _ in range(count):
            who = world.listener(f'{{"country": "{country}", "device": "{device}"}}')
            world.ratings([(who, "cold", 2), (who, "candidate", 4)], release_id)
    world.do("select feedback.refresh_cells(%s)", release_id)
    rows = world.do("select * from analytics.uplift_by(%s::text[], 'stars', 'candidate', 'cold', %s)", by, release_id)
    for row in rows:
        numbers = [row[name] for name in ("listeners", "observations", "d", "dd", "b", "bb", "db")]
        assert row["hidden"] == all(number is None for number in numbers)
        assert row["hidden"] or row["listeners"] >= 10
    return {tuple(row["cell"]) for row in rows if not row["hidden"]}


def test_a_small_cell_is_hidden_and_with_it_the_one_that_would_tell_of_it(world: World) -> None:
    assert shown(world, {("at", "x"): 12, ("ch", "x"): 4, ("de", "x"): 15}, ["country"]) == {("de",)}
    assert shown(world, {("at", "x"): 12, ("ch", "x"): 6, ("de", "x"): 5}, ["country"]) == {("at",)}
    assert shown(world, {("at", "x"): 9}, []) == set()


def test_no_hidden_cell_follows_from_a_row_or_a_column(world: World) -> None:
    groups = {("at", "x"): 3, ("at", "y"): 12, ("ch", "x"): 14, ("ch", "y"): 20}
    assert shown(world, groups, ["country", "device"]) == {("ch", "y")}


@pytest.mark.parametrize(
    "arguments",
    [
        "'{hat}', 'stars', 'candidate', 'cold'", "'{country,country}', 'stars', 'candidate', 'cold'",
        "'{}', 'joy', 'candidate', 'cold'", "'{}', 'stars', 'cold', 'cold'", "'{}', 'stars', 'candidate', 'nobody'",
        "'{}', 'stars', 'candidate', 'cold', null, 'hour'", "'{style}', 'stars', 'candidate', 'cold', null, 'day'",
    ],
)  # fmt: skip
def test_what_is_on_no_list_is_refused(world: World, arguments: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        world.do(f"select * from analytics.uplift_by({arguments})")  # noqa: S608


def test_the_lists_of_the_api_are_those_of_the_view(world: World) -> None:
    assert {row["dimension"] for row in world.do("select dimension from analytics.dimensions")} == set(DIMENSIONS)
    assert {row["metric"] for row in world.do("select metric from analytics.metrics")} == set(METRICS)
