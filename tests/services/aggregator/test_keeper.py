"""The cells are what the roll-ups say at one moment, and no change is missed."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from schemas.analysis import EVERY_RELEASE
from services.aggregator.keeper import Keeper
from services.identifiers import uuid7
from services.postgres import open_pool
from tests.services.rollout.world import World


@pytest.fixture
def world(postgres_dsn: str) -> Iterator[World]:
    """Empty."""
    with open_pool(postgres_dsn, 3) as pool:
        yield World(pool)


@pytest.fixture
def keeper(world: World) -> Keeper:
    return Keeper(world.pool, threading.Event())


def listeners(world: World) -> int:
    row = world.one(
        "select coalesce(sum(listeners), 0)::int as n from feedback.cells where (span, metric) = ('step', 'stars')"
    )
    return int(row["n"])


def test_a_release_that_changed_is_made_once(world: World, keeper: Keeper) -> None:
    release = uuid7()
    for stars in (2, 3):
        who = world.listener('{"home": "folk"}')
        world.ratings([(who, "cold", stars), (who, "candidate", 5)], release)
    assert keeper.turn() == 1
    assert listeners(world) == 2
    assert keeper.turn() == 1  # all releases together
    assert keeper.turn() == 0
    assert world.one("select count(*) as n from feedback.rollup_changes") == {"n": 0}
    noted = world.do("select release_id, as_of <= now() as past from feedback.cell_refreshes order by release_id")
    assert noted == [{"release_id": release, "past": True}, {"release_id": EVERY_RELEASE, "past": True}]


def test_what_is_outside_any_canary_changes_nothing_of_all_releases(world: World, keeper: Keeper) -> None:
    who = world.listener("{}")
    world.ratings([(who, "cold", 2), (who, "champion", 4)], None)
    assert keeper.turn() == 1
    assert keeper.turn() == 0


def test_what_is_written_meanwhile_is_due_again(world: World, keeper: Keeper, postgres_dsn: str) -> None:
    """A writer that has not committed is not seen, and its change is not taken away with those that are."""
    release, who = uuid7(), world.listener("{}")
    world.ratings([(who, "cold", 2)], release)
    (track,) = world.tracks([(who, "candidate")], release)
    with psycopg.connect(postgres_dsn) as writer:
        writer.execute("insert into feedback.ratings values (%s, %s, 5, now(), %s)", (who, track, uuid7()))
        assert keeper.turn() == 1
        assert listeners(world) == 0
        writer.commit()
    world.do("update feedback.cell_refreshes set as_of = as_of - interval '1 hour'")
    assert keeper.turn() == 2  # and all releases together
    assert listeners(world) == 1


def test_who_says_something_else_of_themselves_belongs_to_another_cell(world: World, keeper: Keeper) -> None:
    release, who = uuid7(), world.listener('{"device": "phone"}')
    world.ratings([(who, "cold", 2), (who, "candidate", 5)], release)
    keeper.turn()
    world.do("""update gateway.listeners set attributes = '{"device": "desktop"}'""")
    world.do("update feedback.cell_refreshes set as_of = as_of - interval '1 hour'")
    assert keeper.turn() == 2  # and all releases together
    assert [row["device"] for row in world.do("select distinct device from feedback.cells")] == ["desktop"]


def test_a_release_that_takes_long_is_made_less_often(world: World, keeper: Keeper) -> None:
    release, who = uuid7(), world.listener("{}")
    world.ratings([(who, "cold", 2)], release)
    world.do("insert into feedback.cell_refreshes values (%s, now() - interval '1 minute', 10)", release)
    assert keeper.turn() == 0
    world.do("update feedback.cell_refreshes set seconds = 1")
    assert keeper.turn() == 1
