"""Raw events by month: an id finds its first copy in whatever partition it lies; no partition is made by mistake."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from infra.local.postgres import with_database
from services.aggregator.batch import sort_out
from services.aggregator.fold import Event
from services.aggregator.months import FIRST, month_of, months_of, usual
from services.aggregator.store import Store, Written
from services.identifiers import derived_uuid7
from services.migrate import load, migrate
from services.postgres import Pool, open_pool
from services.streams import Message, TopicPartition
from tests.services.aggregator.rows import counted, resumed
from tests.services.aggregator.samples import START, TRACKS, message_of, rating

TODAY = datetime.now(UTC).date()


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=2) as pool:
        yield pool


def of(at: datetime, number: int) -> Event:
    """A rating whose id was made then."""
    return rating(number, TRACKS[number % 12], START, 4).model_copy(update={"id": derived_uuid7(at, str(number))})


def write(store: Store, events: list[Event]) -> Written:
    """As the next messages of one partition."""
    topic, *_ = message_of(events[0])
    place = TopicPartition(topic, 0)
    start = resumed(store, [place])
    sent = [message_of(event) for event in events]
    messages = [Message(*place, start[place] + at, key, value, 0) for at, (_, key, value, _) in enumerate(sent)]
    return store.write(sort_out(messages), start)


def partitions(dsn: str) -> dict[str, int]:
    """Rows of each partition that has any."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select tableoid::regclass::text, count(*) from feedback.events group by 1")
        return dict(rows.fetchall())


def test_every_month_has_its_partition_and_what_nobody_can_mean_shares_one(pool: Pool, postgres_dsn: str) -> None:
    store = Store(pool)
    times = [
        datetime(2026, 1, 31, 23, 59, 59, 999000, UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(1999, 1, 1, tzinfo=UTC),
        datetime.now(UTC) + timedelta(days=4000),
    ]
    events = [of(at, number) for number, at in enumerate(times)]
    assert len(write(store, events).kept) == 4
    assert partitions(postgres_dsn) == {
        "feedback.events_2026_01": 1, "feedback.events_2026_02": 1, "feedback.events_other": 2,
    }  # fmt: skip
    again = write(Store(pool), events)
    assert (len(again.kept), again.duplicates) == (0, 4)
    assert counted(postgres_dsn) == (4, 0)


def test_a_month_that_becomes_usual_takes_its_events_along(pool: Pool, postgres_dsn: str) -> None:
    event = of(datetime(2023, 5, 5, tzinfo=UTC), 1)
    write(Store(pool), [event])
    assert list(partitions(postgres_dsn)) == ["feedback.events_other"]
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("select feedback.add_month('2023-05-01'), feedback.add_month('2023-05-01')")
    assert list(partitions(postgres_dsn)) == ["feedback.events_2023_05"]
    assert write(Store(pool), [event]).duplicates == 1
    assert counted(postgres_dsn) == (1, 0)


OLD = """
insert into feedback.events (source, id, type, listener_id, time, data, topic, partition, "offset")
select 'listeners/x', feedback_id, 'encore.rating.given', gen_random_uuid(), now(), '{"stars": 4}', 't', 0, number
from unnest(%s::uuid[]) with ordinality as given (feedback_id, number)"""


def test_events_of_before_move_into_their_months(postgres_server: str, tmp_path: Path) -> None:
    """An upgrade of a database that holds events of usual and of impossible times."""
    for migration in load():
        if migration.name < "0022_pre_event_months.sql":
            (tmp_path / migration.name).write_text(migration.sql)
    times = (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC))
    with _database(postgres_server) as dsn:
        migrate(dsn, tmp_path)
        with psycopg.connect(dsn) as connection:
            connection.execute(OLD, ([derived_uuid7(at, "x") for at in (*times, datetime(2199, 1, 1, tzinfo=UTC))],))
            before = connection.execute(
                "select source, id, data, folded_at from feedback.events order by id"
            ).fetchall()
        assert "0022_pre_event_months.sql" in migrate(dsn)
        with psycopg.connect(dsn) as connection:
            after = connection.execute("select source, id, data, folded_at from feedback.events order by id").fetchall()
        assert after == before
        assert partitions(dsn) == {
            "feedback.events_2026_01": 1, "feedback.events_2026_03": 1, "feedback.events_other": 2,
        }  # fmt: skip
        assert counted(dsn) == (4, 0)
        with open_pool(dsn) as pool:
            write(Store(pool), [of(times[0], 1)])
        assert counted(dsn) == (5, 0)


@contextmanager
def _database(server: str) -> Iterator[str]:
    """One without any tables."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield with_database(server, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@given(st.dates(date(1970, 1, 1), date(9999, 12, 1)), st.integers(0, 2**80 - 1))
def test_the_month_of_an_id_is_that_of_its_first_48_bits(day: date, rest: int) -> None:
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    month = month_of(UUID(int=milliseconds << 80 | rest))
    assert month == day.replace(day=1)
    assert usual(month, day) == (month >= FIRST)


@given(st.integers(0, 2**128 - 1))
def test_any_id_has_a_month_or_none(number: int) -> None:
    month = month_of(UUID(int=number))
    assert month is None or month.day == 1
    assert months_of([UUID(int=number)] * 2) == ({month} - {None})
