"""Analysts read single facts, and nothing in them is an id, a prompt or an address of the product's."""

import json
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from services.postgres import open_pool
from tests.services.rollout.test_control import BETTER, canary
from tests.services.rollout.world import World


@pytest.fixture
def lived(postgres_dsn: str) -> Iterator[World]:
    """A promoted release with ratings, twins, votes and listening."""
    with open_pool(postgres_dsn) as pool:
        world = World(pool)
        people, release_id = canary(world)
        world.rate_all(release_id, BETTER, each=12)
        for who in people:
            pair, first, _ = world.twins(who, release_id)
            world.vote(who, pair, "first")
            world.give(who, first, 5)
            world.hear([(who, first)], "{[0,9800)}")
        world.control().turn()
        yield world


def readable(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "select table_schema, table_name from information_schema.tables"
        " where table_schema !~ '^(pg_|information_schema)' and has_table_privilege(current_user,"
        " format('%I.%I', table_schema, table_name), 'select')"
    ).fetchall()


def test_nothing_that_an_analyst_reads_holds_an_id_of_a_listener_or_a_track(lived: World, postgres_dsn: str) -> None:
    ids = {str(row["listener_id"]) for row in lived.do("select listener_id from gateway.listeners")}
    ids |= {str(row["track_id"]) for row in lived.do("select track_id from feedback.tracks")}
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("set role encore_analyst")
        views = readable(connection)
        assert {schema for schema, _ in views} == {"analytics", "facts"}
        rows = {
            view: connection.execute(sql.SQL("select to_jsonb(v) from {} v").format(sql.Identifier(*view))).fetchall()
            for view in views
        }
    assert all(rows["facts", name] for name in ("listeners", "tracks", "ratings", "listens", "pairs", "decisions"))
    told = json.dumps({".".join(view): found for view, found in rows.items()})
    assert [each for each in ids if each in told] == []


def test_a_pseudonym_joins_and_is_made_anew_with_its_keys(lived: World, postgres_dsn: str) -> None:
    joined = lived.one(
        "select count(*) as n from facts.ratings r join facts.tracks t using (listener, track) join facts.listeners l"
        " using (listener)"
    )
    assert joined["n"] == lived.one("select count(*) as n from feedback.ratings")["n"]
    before = names(postgres_dsn)
    assert len(before) == 14
    lived.do("update secrets.pseudonyms set inner_key = outer_key")
    assert names(postgres_dsn).isdisjoint(before)


def names(dsn: str) -> set[UUID]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("set role encore_analyst")
        return {row["listener"] for row in connection.execute("select listener from facts.listeners")}
