"""Of an erased listener nothing is left in feedback, and nothing comes again; of the others nothing changes."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from services.aggregator import eraser
from services.aggregator.batch import DeadLetter, sort_out
from services.aggregator.eraser import Eraser
from services.aggregator.fold import fold
from services.aggregator.store import Store
from services.grants import AGGREGATOR
from services.postgres import Limits, Pool, open_pool, transaction
from tests.services.aggregator.rows import dead_letters, offsets, stored
from tests.services.aggregator.samples import LISTENERS, START, TRACKS, owner, rating, stream
from tests.services.aggregator.test_store import Log, write_all
from tests.services.gateway.conftest import until
from tests.services.roles import play
from tests.threads import ended

GONE = owner(TRACKS[1])


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process may not do is refused here too."""
    play(monkeypatch, AGGREGATOR)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, 3, Limits(statement_s=120, lock_s=60)) as pool:
        yield pool


def begin(dsn: str, listener_id: UUID) -> None:
    """The erasure of this listener, as the gateway begins it."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at)"
            " values (%(id)s, gateway.tombstone(%(id)s), %(id)s, 'a-product', 'operator', now())",
            {"id": listener_id},
        )
        connection.execute(
            "insert into gateway.erasure_steps (erasure_id, store)"
            " select %s, unnest(array['feedback', 'archives', 'rollout'])",
            (listener_id,),
        )


def confirmed(dsn: str) -> list[Any]:
    with psycopg.connect(dsn, row_factory=scalar_row) as connection:
        return connection.execute(
            "select store from gateway.erasure_steps where confirmed_at is not null order by 1"
        ).fetchall()


def traces(dsn: str, listener_id: UUID) -> dict[str, int]:
    """Rows by table that name a listener in any column; tables are found by the catalogue."""
    with psycopg.connect(dsn, row_factory=scalar_row) as connection:
        names = connection.execute(
            "select oid::regclass::text from pg_class where relkind = 'r'"
            " and relnamespace in ('feedback'::regnamespace, 'archived'::regnamespace)"
        ).fetchall()
        counted = {
            str(name): connection.execute(
                sql.SQL("select count(*) from {} t where position(%s in t::text) > 0").format(sql.SQL(name)),
                (str(listener_id),),
            ).fetchone()
            for name in names
        }
    return {name: int(count) for name, count in counted.items() if count}


def archived(dsn: str) -> None:
    """Of each kind of fact the archive holds a row, as for a month that was taken out."""
    with psycopg.connect(dsn) as connection:
        for table in ("plays", "ratings", "pair_votes", "track_failures"):
            name = sql.Identifier(table)
            connection.execute(sql.SQL("insert into archived.{0} select * from feedback.{0}").format(name))


def test_everything_of_them_goes_and_the_rest_stays(pool: Pool, postgres_dsn: str) -> None:
    events, log = stream(600, seed=1), Log()
    batch = sort_out(log.messages(events))
    bad = batch.arrivals[0].message._replace(topic="encore.plays.v1", partition=5, offset=9, value=b"{")
    letters = [
        DeadLetter(bad._replace(key=str(GONE).encode()), "no JSON"),
        DeadLetter(bad._replace(offset=10, key=b"x", value=f'{{"subject": "{GONE}"'.encode()), "no JSON"),
        DeadLetter(bad._replace(offset=11, key=str(LISTENERS[2]).encode()), "no JSON"),
    ]
    assert LISTENERS[2] != GONE
    write_all(Store(pool), [batch])
    with transaction(pool) as connection:
        Store(pool).bury(connection, letters)
    archived(postgres_dsn)
    assert len(traces(postgres_dsn, GONE)) > 8
    begin(postgres_dsn, GONE)
    assert Eraser(pool, threading.Event()).turn() == 1
    assert traces(postgres_dsn, GONE) == {}
    assert confirmed(postgres_dsn) == ["archives", "feedback"]
    assert stored(postgres_dsn) == fold([event for event in events if event.subject != GONE])
    assert list(dead_letters(postgres_dsn)) == [("encore.plays.v1", 5, 11)]
    assert Eraser(pool, threading.Event()).turn() == 0


def test_all_who_wait_are_erased_together(pool: Pool, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction, which reads the events once."""
    events, both = stream(300, seed=5), [GONE, owner(TRACKS[0])]
    assert both[0] != both[1]
    write_all(Store(pool), [sort_out(Log().messages(events))])
    for listener_id in both:
        begin(postgres_dsn, listener_id)
    with monkeypatch.context() as broken:
        broken.setattr(eraser, "_STEPS", (*eraser._STEPS, "no such step"))
        with pytest.raises(KeyError):
            Eraser(pool, threading.Event()).turn()
    assert confirmed(postgres_dsn) == []
    assert Eraser(pool, threading.Event()).turn() == 2
    with transaction(pool) as connection:
        left = connection.execute("select from feedback.events where listener_id = any(%s)", (both,)).fetchall()
    assert left == []
    assert confirmed(postgres_dsn) == ["archives", "archives", "feedback", "feedback"]
    assert stored(postgres_dsn) == fold([event for event in events if event.subject not in both])


def test_what_comes_late_is_passed_and_not_kept(pool: Pool, postgres_dsn: str) -> None:
    store, log = Store(pool), Log()
    begin(postgres_dsn, GONE)
    events = stream(200, seed=2)
    batch = sort_out(log.messages(events))
    bad = batch.arrivals[0].message._replace(offset=9_000, key=str(GONE).encode(), value=b"{")
    write_all(store, [batch])
    with transaction(pool) as connection:
        store.bury(connection, [DeadLetter(bad, "no JSON")])
        assert store.refold(connection, [each for each in batch.arrivals if each.event.subject == GONE]).kept == []
    assert traces(postgres_dsn, GONE) == {}
    assert stored(postgres_dsn) == fold([event for event in events if event.subject != GONE])
    assert offsets(postgres_dsn) == log.next
    assert store.unaccounted() == dict.fromkeys({place.topic for place in log.next}, (0, 0))


def test_what_an_archived_month_holds_of_them_is_not_put_back(pool: Pool, postgres_dsn: str) -> None:
    store, log = Store(pool), Log()
    write_all(store, [sort_out(log.messages(stream(200, seed=3)))])
    columns = 'source, id, type, listener_id, time, data, topic, partition, "offset", received_at, sha256'
    with transaction(pool) as connection:
        rows = connection.execute(f"select {columns} from feedback.events").fetchall()  # noqa: S608 - ours
    begin(postgres_dsn, GONE)
    Eraser(pool, threading.Event()).turn()
    with transaction(pool) as connection:
        assert store.restore(connection, rows) == 0
    assert traces(postgres_dsn, GONE) == {}


def test_who_writes_meanwhile_is_waited_for(pool: Pool, postgres_dsn: str) -> None:
    """A batch that began before the erasure and ends after it leaves nothing."""
    [message] = Log().messages([rating(1, TRACKS[1], START, 4)])
    batch = sort_out([message])
    erasing = threading.Thread(target=Eraser(pool, threading.Event()).turn)
    with transaction(pool) as connection:
        assert len(Store(pool).refold(connection, batch.arrivals).kept) == 1
        begin(postgres_dsn, GONE)
        erasing.start()
        until(lambda: waits(postgres_dsn))
        assert confirmed(postgres_dsn) == []
    ended(erasing)
    assert traces(postgres_dsn, GONE) == {}
    assert "feedback" in confirmed(postgres_dsn)


def waits(dsn: str, *, locks: Sequence[str] = ("advisory",)) -> bool:
    """Whether somebody waits for a lock of one of these types."""
    with psycopg.connect(dsn, row_factory=scalar_row) as connection:
        row = connection.execute(
            "select exists (select from pg_locks l join pg_stat_activity a using (pid)"
            " where l.locktype = any(%s) and not l.granted and a.datname = current_database())",
            (list(locks),),
        ).fetchone()
    return bool(row)


def test_others_write_while_everything_of_them_is_sought(pool: Pool, postgres_dsn: str) -> None:
    [message] = Log().messages([rating(1, TRACKS[1], START, 4)])
    write_all(Store(pool), [sort_out([message])])
    begin(postgres_dsn, GONE)
    erasing = threading.Thread(target=Eraser(pool, threading.Event()).turn)
    with psycopg.connect(postgres_dsn) as reading:
        reading.execute("select from feedback.events where listener_id = %s for update", (GONE,))
        erasing.start()
        until(lambda: waits(postgres_dsn, locks=("transactionid", "tuple")))
        batch = sort_out(Log().messages([rating(2, TRACKS[0], START, 3)]))
        with transaction(pool) as connection:
            connection.execute("set local lock_timeout = '30s'")
            assert len(Store(pool).refold(connection, batch.arrivals).kept) == 1
        assert confirmed(postgres_dsn) == []
    ended(erasing)
    assert traces(postgres_dsn, GONE) == {}
    assert "feedback" in confirmed(postgres_dsn)


def test_no_month_is_taken_out_while_everything_of_them_is_sought(pool: Pool, postgres_dsn: str) -> None:
    begin(postgres_dsn, GONE)
    erasing = threading.Thread(target=Eraser(pool, threading.Event()).turn)
    with psycopg.connect(postgres_dsn) as archiving:
        archiving.execute("lock table feedback.events_other in share mode")  # as `feedback.hold_month` a month's
        erasing.start()
        until(lambda: waits(postgres_dsn, locks=("relation",)))
        assert confirmed(postgres_dsn) == []
    ended(erasing)
    assert "feedback" in confirmed(postgres_dsn)


@pytest.mark.parametrize("after", range(len(eraser._STEPS) + 1))
def test_killed_at_any_step_nothing_is_half_done(
    pool: Pool, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    write_all(Store(pool), [sort_out(Log().messages(stream(120, seed=4)))])
    before = traces(postgres_dsn, GONE)
    begin(postgres_dsn, GONE)
    with monkeypatch.context() as broken:
        broken.setattr(eraser, "_STEPS", (*eraser._STEPS[:after], "no such step", *eraser._STEPS[after:]))
        with pytest.raises(KeyError):
            Eraser(pool, threading.Event()).turn()
    assert traces(postgres_dsn, GONE) == before
    assert confirmed(postgres_dsn) == []
    Eraser(pool, threading.Event()).turn()
    assert traces(postgres_dsn, GONE) == {}


def test_where_months_were_taken_out_their_step_stays_open(pool: Pool, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("insert into feedback.archives values ('2025-01-01', 0, 'file:///x', 'x', 1)")
    begin(postgres_dsn, GONE)
    Eraser(pool, threading.Event()).turn()
    assert confirmed(postgres_dsn) == ["feedback"]
