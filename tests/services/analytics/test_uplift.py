"""The views of uplift and of means, made from sums by listener, give what their plain definitions give."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import dict_row

from schemas.events import Arm
from tests.services.analytics.plain import PLAIN_VIEWS
from tests.services.rollout.world import ARMS

LISTENERS = [UUID(int=number) for number in range(1, 6)]
RELEASES = [UUID(int=number) for number in range(101, 103)]

VIEWS = ("uplift", "arm_means", "arm_means_overall")
NUMBERS = {"estimate", "low", "high", "mean", "listeners", "ratings"}


class Given(NamedTuple):
    """One rating; `owner` is whom the track was made for, who need not be the one who rates."""

    listener: UUID
    owner: UUID
    release: UUID | None
    arm: Arm
    stars: int


ratings = st.builds(
    lambda listener, other, release, arm, stars: Given(listener, other or listener, release, arm, stars),
    st.sampled_from(LISTENERS),
    st.one_of(st.none(), st.none(), st.sampled_from(LISTENERS)),
    st.sampled_from([None, *RELEASES]),
    st.sampled_from(ARMS),
    st.integers(1, 5),
)
homes = st.lists(st.sampled_from(["folk", "rock"]), min_size=len(LISTENERS), max_size=len(LISTENERS))
members = st.sets(st.tuples(st.sampled_from(RELEASES), st.sampled_from(LISTENERS)))


@pytest.fixture
def connection(postgres_dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(postgres_dsn, row_factory=dict_row) as connection:
        connection.execute(PLAIN_VIEWS)
        connection.execute("set jit = off")
        connection.execute("update analytics.policy set min_listeners = 1")
        connection.commit()
        yield connection


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(homes, members, st.lists(ratings, max_size=40))
def test_sums_by_listener_give_the_same_numbers(
    connection: psycopg.Connection[dict[str, Any]],
    homes: list[str],
    members: set[tuple[UUID, UUID]],
    rated: list[Given],
) -> None:
    try:
        _write(connection, homes, members, rated)
        for view in VIEWS:
            told = _report(connection, "analytics", view)
            assert told == pytest.approx(_report(connection, "plain", view), abs=1e-6)
    finally:
        connection.rollback()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(homes, members, st.lists(ratings, max_size=40), st.integers(1, 4))
def test_a_cohort_alone_is_told_as_among_all(
    connection: psycopg.Connection[dict[str, Any]],
    homes: list[str],
    members: set[tuple[UUID, UUID]],
    rated: list[Given],
    least: int,
) -> None:
    """Also what is hidden because of its neighbours."""
    try:
        _write(connection, homes, members, rated)
        connection.execute("update analytics.policy set min_listeners = %s", [least])
        for view in VIEWS:
            every = connection.execute(f"select *, x::text as said from analytics.{view} x").fetchall()  # noqa: S608
            for cohort in ("all", "home=folk", "home=rock"):
                alone = connection.execute(
                    f"select x::text as said from analytics.{view} x"  # noqa: S608
                    " where cohort = %(cohort)s and attribute = split_part(%(cohort)s, '=', 1)"
                    " and everyone = (%(cohort)s = 'all')",
                    {"cohort": cohort},
                ).fetchall()
                assert sorted(row["said"] for row in alone) == sorted(
                    row["said"] for row in every if row["cohort"] == cohort
                )
    finally:
        connection.rollback()


def _write(
    connection: psycopg.Connection[dict[str, Any]],
    homes: list[str],
    members: set[tuple[UUID, UUID]],
    rated: list[Given],
) -> None:
    cursor = connection.cursor()
    cursor.executemany(
        "insert into gateway.listeners (listener_id, attributes) values (%s, jsonb_build_object('home', %s::text))",
        list(zip(LISTENERS, homes, strict=True)),
    )
    cursor.executemany(
        "insert into rollout.releases (release_id, round_id, status, salt, plan) values (%s, %s, 'canary', '', '{}')",
        [(release, release) for release in RELEASES],
    )
    cursor.executemany("insert into rollout.members values (%s, %s, 1, null)", list(members))
    tracks = [UUID(int=1000 + number) for number in range(len(rated))]
    cursor.executemany(
        "insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, prompt, seconds,"
        " features_url, sha256, made_at) values (%s, %s, %s, 0.5, %s, '', 5, '', '', now())",
        [(track, each.owner, each.arm, each.release) for track, each in zip(tracks, rated, strict=True)],
    )
    cursor.executemany(
        "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id)"
        " values (%s, %s, %s, now(), %s)",
        [(each.listener, track, each.stars, track) for track, each in zip(tracks, rated, strict=True)],
    )


def _report(connection: psycopg.Connection[dict[str, Any]], schema: str, view: str) -> dict[str, Any]:
    """Every number by the place where it stands."""
    asked = sql.SQL("select * from {}").format(sql.Identifier(schema, view))
    rows = connection.execute(asked).fetchall()
    keyed = {
        f"{row.get('release_id')} {row['cohort']} {row['arm']} {row.get('baseline')} {name}": row[name]
        for row in rows
        for name in NUMBERS & row.keys()
    }
    assert len(keyed) == sum(len(NUMBERS & row.keys()) for row in rows)
    return keyed
