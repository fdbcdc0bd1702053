"""Writers on a real server that would wait for one another if they locked in different orders: none is ended by it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from services.aggregator import rollups
from services.aggregator.batch import sort_out
from services.aggregator.eraser import Eraser
from services.aggregator.fold import Event
from services.aggregator.store import Store
from services.postgres import Pool, open_pool
from tests.contracts.streams import until
from tests.services.aggregator.rows import resumed
from tests.services.aggregator.samples import START, TRACKS, made, owner, play, rating
from tests.services.aggregator.test_eraser import begin, traces
from tests.services.aggregator.test_store import Log

ONE, OTHER = TRACKS[:2]
LATER = START.replace(day=2)
FACTS: Sequence[Event] = [
    *(made(number, track, START) for number, track in enumerate((ONE, OTHER), 1)),
    *(rating(number, track, START, 2) for number, track in enumerate((ONE, OTHER), 3)),
    *(play(number, track, START, 900, (0, 900)) for number, track in enumerate((ONE, OTHER), 5)),
]


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, 3) as pool:
        yield pool


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def write(pool: Pool, log: Log, events: Sequence[Event]) -> Callable[[], object]:
    """What writes these; whoever reads the log is known when this returns."""
    store, batch = Store(pool), sort_out(log.messages(events))
    expected = resumed(store, batch.reached)
    return lambda: store.write(batch, expected)


@contextmanager
def held(dsn: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """Rows that a transaction of somebody else's has locked."""
    with closing(psycopg.connect(dsn)) as holder:
        holder.execute(statement)
        yield holder
        holder.rollback()


def await_waiting(dsn: str, sessions: int) -> None:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with psycopg.connect(dsn, autocommit=True) as connection:
        until(lambda: connection.execute(waiting).fetchone() == (sessions,))


def test_plays_of_one_listener_and_ratings_of_another_by_two_aggregators(
    pool: Pool, postgres_dsn: str, threads: ThreadPoolExecutor
) -> None:
    """Each has the plays of whom the other has the ratings. Both are stopped before their ratings."""
    log = Log()
    write(pool, log, FACTS)()
    crossed = [
        write(pool, log, [play(7, ONE, START, 2_000, (1_000, 2_000)), rating(8, OTHER, LATER, 5)]),
        write(pool, log, [play(9, OTHER, START, 2_000, (1_000, 2_000)), rating(10, ONE, LATER, 5)]),
    ]
    with held(postgres_dsn, "select from feedback.ratings for update"):
        writing = [threads.submit(each) for each in crossed]
        await_waiting(postgres_dsn, 2)
    assert_all_ended(writing)
    with pool.connection() as connection:
        row = connection.execute("select sum(stars) as stars, sum(heard_ms) as ms from feedback.rollups").fetchone()
    assert row == {"stars": 10, "ms": 3_800}
    assert rollups.wrong(postgres_dsn) == 0


def test_a_rebuild_while_a_batch_has_written_its_plays(
    pool: Pool, postgres_dsn: str, threads: ThreadPoolExecutor
) -> None:
    log = Log()
    write(pool, log, FACTS)()
    batch = write(pool, log, [play(7, ONE, START, 2_000, (1_000, 2_000)), rating(8, ONE, LATER, 5)])
    with held(postgres_dsn, "select from feedback.plays for update"):
        writing = [threads.submit(batch)]
        await_waiting(postgres_dsn, 1)
        writing.append(threads.submit(rollups.rebuild, postgres_dsn))
        await_waiting(postgres_dsn, 2)
    assert_all_ended(writing)
    assert rollups.wrong(postgres_dsn) == 0


def test_two_erasers_at_once(pool: Pool, postgres_dsn: str, threads: ThreadPoolExecutor) -> None:
    write(pool, Log(), FACTS)()
    begin(postgres_dsn, owner(OTHER))
    with held(postgres_dsn, "select from feedback.ratings for update"):
        erasing = [threads.submit(Eraser(pool, threading.Event()).turn) for _ in range(2)]
        await_waiting(postgres_dsn, 2)
    assert_all_ended(erasing)
    assert traces(postgres_dsn, owner(OTHER)) == {}
    assert rollups.wrong(postgres_dsn) == 0


def test_two_aggregators_with_tracks_that_were_made_twice(
    pool: Pool, postgres_dsn: str, threads: ThreadPoolExecutor
) -> None:
    """Both have written plays when they come to the tracks, for which each wants the plays for itself."""
    log = Log()
    write(pool, log, FACTS)()
    batches = [
        write(pool, log, [play(number, track, START, 2_000, (1_000, 2_000)), made(number + 1, track, LATER)])
        for number, track in ((7, ONE), (9, OTHER))
    ]
    with held(postgres_dsn, "select from feedback.plays for update"):
        writing = [threads.submit(batch) for batch in batches]
        await_waiting(postgres_dsn, 2)
    assert_all_ended(writing)
    assert rollups.wrong(postgres_dsn) == 0


def assert_all_ended(writing: Sequence[Future[Any]]) -> None:
    """None was ended by the server."""
    assert [future.exception() for future in writing] == [None] * len(writing)
