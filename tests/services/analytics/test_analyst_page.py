"""Every query on the analyst's page runs as it is printed, as an analyst, and gives rows."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from services.identifiers import uuid7
from services.postgres import open_pool
from tests.services.rollout.test_control import BETTER
from tests.services.rollout.world import ARMS, World

PAGE = Path(__file__).parents[3] / "docs" / "analyst.md"
QUERIES = re.findall(r"^([^\n]+[:?])\n```sql\n(.*?)```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def lived(postgres_dsn: str) -> Iterator[World]:
    """Twelve listeners with ratings, plays and votes, and one decided release."""
    with open_pool(postgres_dsn) as pool:
        world = World(pool)
        people = [world.listener('{"home": "folk"}') for _ in range(12)]
        round_id = world.round(people)
        world.control().turn()
        release_id = world.release(round_id)["release_id"]
        world.rate_all(release_id, BETTER)
        for who in people:
            vote(world, who, release_id)
        world.control().turn()
        world.ratings([(who, arm, 3) for who in people for arm in ARMS for _ in range(4)], None)
        world.do("select feedback.refresh_cells(%s)", release_id)
        world.do(
            "update feedback.plays p set heard = '{[0,9800)}', reached_ms = 9800"
            " from feedback.tracks t where t.track_id = p.track_id and t.release_id is null"
        )
        yield world


def vote(world: World, who: UUID, release_id: UUID) -> None:
    pair_id = uuid7()
    first, second = world.tracks([(who, "candidate"), (who, "champion")], release_id, pair_id)
    world.do("insert into gateway.pairs values (%s, %s, %s, %s)", pair_id, who, first, second)
    world.do("insert into feedback.pair_votes values (%s, %s, 'first', now(), %s)", pair_id, who, uuid7())


def test_the_page_has_queries_and_each_gives_rows(lived: World) -> None:
    assert len(QUERIES) >= 5
    assert len(QUERIES) == PAGE.read_text("utf-8").count("```sql")
    for title, statement in QUERIES:
        with lived.pool.connection() as connection:
            connection.execute("set local role encore_analyst")
            assert connection.execute(statement.encode()).fetchall(), title


def test_small_cohorts_stay_out_of_reports(lived: World) -> None:
    lived.ratings([(lived.listener('{"home": "rare"}'), arm, 3) for arm in ARMS for _ in range(3)], None)
    for title, statement in QUERIES:
        rows = lived.do(statement.encode())
        assert not any(row.get("cohort") == "home=rare" or row.get("listeners", 10) < 10 for row in rows), title


def test_a_vote_names_the_arm_that_was_chosen(lived: World) -> None:
    rows = lived.do("select first_arm, second_arm, chosen_arm from analytics.pairs")
    assert len(rows) == 12
    assert {tuple(row.values()) for row in rows} == {("candidate", "champion", "candidate")}
