"""The roll-ups are the sums of the facts: in any order of events, with repeats and re-ratings, after a rebuild, and
when two writers do not see one another."""

import random
import threading
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import DictRow

from services.aggregator import rollups as command
from services.aggregator.batch import sort_out
from services.aggregator.fold import Event, fold
from services.aggregator.store import Store
from services.aggregator.tables import Tables
from services.postgres import Pool, open_pool
from tests.contracts.streams import until
from tests.services.aggregator.rows import resumed
from tests.services.aggregator.samples import (
    HALVES,
    START,
    TRACKS,
    event_lists,
    made,
    owner,
    play,
    rating,
    stream,
)
from tests.services.aggregator.test_store import Log
from tests.threads import ended

SUMS = ("rollups", "vote_rollups", "rating_sums")
EMPTY = (
    "truncate feedback.events, feedback.tracks, feedback.track_failures, feedback.plays, feedback.ratings,"
    " feedback.pair_votes, feedback.picks, feedback.rollups, feedback.vote_rollups, feedback.rating_sums,"
    " feedback.offsets, feedback.awaited"
)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    """A database whose pairs are known, as the gateway makes them before it offers them."""
    with open_pool(postgres_dsn, 3) as pool, psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for pair, halves in HALVES.items():
            connection.execute("insert into gateway.listeners values (%s) on conflict do nothing", [owner(pair)])
            connection.execute("insert into gateway.pairs values (%s, %s, %s, %s)", [pair, owner(pair), *halves])
        yield pool


def rollups(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    with pool.connection() as connection:
        return _read(connection)


def _read(connection: psycopg.Connection[DictRow]) -> dict[str, list[tuple[Any, ...]]]:
    """Every digit."""
    return {
        name: sorted(tuple(row.values()) for row in connection.execute(f"select * from feedback.{name}").fetchall())  # noqa: S608
        for name in SUMS
    }


def rebuild(pool: Pool) -> None:
    with pool.connection() as connection:
        connection.execute("select feedback.rebuild_rollups()")


def write(pool: Pool, batches: Sequence[Sequence[Event]]) -> None:
    store, log = Store(pool), Log()
    for batch in batches:
        sorted_out = sort_out(log.messages(batch))
        store.write(sorted_out, resumed(store, sorted_out.reached))


def in_pieces(draw: random.Random, events: Sequence[Event], largest: int) -> list[Sequence[Event]]:
    pieces: list[Sequence[Event]] = []
    rest = list(events)
    while rest:
        size = draw.randint(1, largest)
        pieces.append(rest[:size])
        rest = rest[size:]
    return pieces


@pytest.mark.parametrize("number", [11, 14, 15])
def test_any_order_with_repeats_gives_the_digits_of_a_rebuild(pool: Pool, number: int) -> None:
    events = stream(500, seed=number)
    told = []
    for seed in (1, 2):
        draw = random.Random(seed)
        sent = events + draw.choices(events, k=200)
        draw.shuffle(sent)
        with pool.connection() as connection:
            connection.execute(EMPTY)
        write(pool, in_pieces(draw, sent, 60))
        told.append(rollups(pool))
        rebuild(pool)
        told.append(rollups(pool))
    assert told[0] == told[1] == told[2] == told[3]
    assert all(told[0][name] for name in SUMS)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event_lists(), st.randoms(use_true_random=False))
def test_kept_and_rebuilt_are_the_same(pool: Pool, events: list[Event], draw: random.Random) -> None:
    """Without commits, which take most of the time."""
    sent = [*events, *draw.choices(events, k=len(events) // 2)] if events else []
    draw.shuffle(sent)
    tables = Tables("feedback")
    with pool.connection() as connection, connection.transaction(force_rollback=True):
        for piece in in_pieces(draw, sent, 4):
            tables.merge(connection, fold(piece))
        kept = _read(connection)
        connection.execute("select feedback.rebuild_rollups()")
        assert kept == _read(connection)


def test_a_track_beside_one_that_was_made_twice_counts_once(pool: Pool) -> None:
    """One upsert then changes a row of the listener and adds another."""
    first, second = next(each for each in combinations(TRACKS, 2) if owner(each[0]) == owner(each[1]))
    both = [made(3, first, START.replace(day=2)), made(4, second, START)]
    write(pool, [[made(1, first, START)], [rating(2, second, START, 4)], both])
    with pool.connection() as connection:
        rows = connection.execute("select sum(made) as made, sum(ratings) as ratings from feedback.rollups").fetchone()
    assert rows == {"made": 2, "ratings": 1}


def test_a_rating_that_is_changed_moves_by_its_difference(pool: Pool) -> None:
    track = TRACKS[0]
    write(pool, [[made(1, track, START), rating(2, track, START, 2)], [rating(3, track, START.replace(day=2), 5)]])
    with pool.connection() as connection:
        rows = connection.execute(
            "select day::text, made, ratings, stars, squares from feedback.rollups order by day"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [("2026-01-01", 1, 0, 0, 0), ("2026-01-02", 0, 1, 5, 25)]


def test_ratings_that_change_against_one_another_change_the_squares(pool: Pool) -> None:
    """In one batch 2 and 4 stars become 3 and 3: the sum stays, the squares do not."""
    one, other = TRACKS[0], next(track for track in TRACKS[1:] if owner(track) == owner(TRACKS[0]))
    facts: list[Event] = [
        made(1, one, START),
        made(2, other, START),
        rating(3, one, START, 2),
        rating(4, other, START, 4),
    ]
    write(pool, [facts, [rating(5, one, START, 3), rating(6, other, START, 3)]])
    kept = rollups(pool)
    rebuild(pool)
    assert kept == rollups(pool)
    with pool.connection() as connection:
        assert connection.execute("select squares from feedback.rollups").fetchall() == [{"squares": 18}]


def test_what_is_taken_away_and_folded_anew_is_counted_once(pool: Pool) -> None:
    """One identity with two contents: the stored one gives way, and everything about its track is folded again."""
    track = TRACKS[0]
    contents = sorted([rating(2, track, START, 1), rating(2, track, START, 4)], key=lambda event: event.data.stars)
    for order in (contents, contents[::-1]):
        with pool.connection() as connection:
            connection.execute(EMPTY)
        write(pool, [[made(1, track, START), play(3, track, START, 900, (0, 900))], order[:1], order[1:]])
        kept = rollups(pool)
        rebuild(pool)
        assert kept == rollups(pool)
        assert len(kept["rollups"]) == 1


def test_the_command_finds_a_wrong_row_and_mends_it(
    pool: Pool, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENCORE_POSTGRES_DSN", postgres_dsn)
    write(pool, [[made(1, TRACKS[0], START), rating(2, TRACKS[0], START, 2)]])
    command.main(["check"])
    for spoil in (
        "update feedback.rollups set stars = stars + 1",
        "update feedback.rating_sums set base_stars = base_stars + 1",
    ):
        with pool.connection() as connection:
            connection.execute(spoil)
        with pytest.raises(SystemExit) as stopped:
            command.main(["check"])
        assert stopped.value.code == 1
        command.main(["rebuild"])
        command.main(["check"])
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][-3:] == ["2", "1", "every"]


@pytest.mark.parametrize("first", ["rating", "track"])
def test_a_rating_and_its_track_in_two_transactions_that_do_not_see_one_another(
    pool: Pool, postgres_dsn: str, first: str
) -> None:
    """The second waits for the first, and whoever comes later counts."""
    statements = {
        "rating": "insert into feedback.ratings values (%(who)s, %(track)s, 4, now(), %(track)s)",
        "track": "insert into feedback.tracks (track_id, listener_id, arm, propensity, prompt, seconds, features_url,"
        " sha256, made_at) values (%(track)s, %(who)s, 'base', 1, '', 9, '', '', now())",
    }
    values = {"who": UUID(int=1), "track": UUID(int=77)}
    second = statements["track" if first == "rating" else "rating"]
    with psycopg.connect(postgres_dsn) as one, psycopg.connect(postgres_dsn) as other:
        one.execute(statements[first], values)

        def later() -> None:
            other.execute(second, values)
            other.commit()

        thread = threading.Thread(target=later, daemon=True)
        thread.start()
        _await_lock(pool)
        one.commit()
        ended(thread)
    with pool.connection() as connection:
        row = connection.execute("select sum(made) as made, sum(stars) as stars from feedback.rollups").fetchone()
    assert row == {"made": 1, "stars": 4}


def _await_lock(pool: Pool) -> None:
    waiting = (
        "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    with pool.connection() as connection:
        until(lambda: connection.execute(waiting).fetchone() != {"n": 0})
