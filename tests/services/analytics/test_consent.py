"""Who did not agree to analysis is in nothing that analysts see, also for what was before their answer."""

from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from services.identifiers import uuid7
from tests.services.rollout.world import World

CELLS = "select sum(listeners)::int as n from feedback.cells where metric = 'stars' and span = 'step'"
TABLES = (
    "facts.listeners",
    "facts.cohorts",
    "facts.listener_means",
    "facts.rollups",
    "facts.tracks",
    "facts.versions",
    "facts.ratings",
    "facts.listens",
    "facts.pairs",
)


def answer(world: World, who: UUID, given: bool) -> None:
    world.do(
        "insert into gateway.consents (listener_id, purpose, given, text_version, said_by)"
        " values (%s, 'analysis', %s, '1', 'listener')",
        who, given,
    )  # fmt: skip


def seen(world: World, release: UUID) -> tuple[Any, ...]:
    """Listeners in the uplift, the means of an arm, and the cells once those are made anew as they are due."""
    assert world.one("select count(*) as n from feedback.rollup_changes where release_id = %s", release)["n"]
    world.do("delete from feedback.rollup_changes")
    world.do("select feedback.refresh_cells(%s)", release)
    uplift = world.one(
        "select listeners from analytics.uplift where (cohort, arm, baseline) = ('all', 'candidate', 'cold')"
    )
    means = world.one("select listeners from analytics.arm_means where cohort = 'all' and arm = 'cold'")
    return uplift["listeners"], means["listeners"], world.one(CELLS)["n"]


def test_an_answer_holds_for_what_was_before_it_and_may_be_taken_back(world: World) -> None:
    release = uuid7()
    listeners = [world.listener('{"home": "folk"}') for _ in range(4)]
    for who in listeners:
        world.ratings([(who, "candidate", 5), (who, "cold", 3)], release)
    assert seen(world, release) == (4, 4, 4)
    answer(world, listeners[0], given=False)
    assert seen(world, release) == (3, 3, 3)
    answer(world, listeners[0], given=True)
    assert seen(world, release) == (4, 4, 4)


def test_whoever_reads_facts_meets_nobody_who_did_not_agree(world: World, postgres_dsn: str) -> None:
    silent, agreed = world.listener(), world.listener()
    for who in (silent, agreed):
        world.ratings([(who, "candidate", 5), (who, "cold", 3)], None)
    world.round([silent, agreed])
    answer(world, silent, given=False)
    pseudonym = "select facts.pseudonym(%s, k) as listener from secrets.pseudonyms k"
    known = world.one(pseudonym, agreed)["listener"]
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("set role encore_analyst")
        for table in TABLES:
            rows = connection.execute(
                sql.SQL("select distinct listener from {}").format(sql.Identifier(*table.split(".")))
            ).fetchall()
            expected = [] if table == "facts.pairs" else [(known,)]
            assert rows == expected, table
