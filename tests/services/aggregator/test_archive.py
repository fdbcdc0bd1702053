"""Months that are taken out, and everything folded once more: no table says anything else than before."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from schemas.blobs import Store as Blobs
from schemas.topics import FEEDBACK, PARTITIONS, PLAYS
from services.aggregator.archive import LIMITS, archive, expire, months
from services.aggregator.archive_files import opened
from services.aggregator.fold import Event
from services.aggregator.log_keys import LogKeys
from services.aggregator.main import GROUP
from services.aggregator.parquet import rows_of
from services.aggregator.replay import ForgottenError, NotEmptyError, again, anew, compared, digests, moment
from services.aggregator.store import Store
from services.identifiers import derived_uuid7
from services.postgres import Pool, open_pool
from services.streams import Outgoing
from services.streams_memory import MemoryBroker
from tests.databases import Databases
from tests.services.aggregator.rows import dead_letters, stored
from tests.services.aggregator.samples import START, TRACKS, message_of, play, stream
from tests.services.aggregator.test_main import drain, running

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3, limits=LIMITS) as pool:
        yield pool


@pytest.fixture
def empty(databases: Databases) -> Iterator[Pool]:
    """A second database."""
    with databases.fresh() as dsn, open_pool(dsn, size=2) as pool:
        yield pool


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path.as_uri())


def of(month: date, event: Event) -> Event:
    """The same, with an id of that month."""
    at = datetime(month.year, month.month, 1 + event.id.int % 28, tzinfo=UTC)
    return event.model_copy(update={"id": derived_uuid7(at, str(event.id))})


def spread(events: Sequence[Event]) -> list[Event]:
    return [of((JANUARY, FEBRUARY, MARCH)[number % 3], event) for number, event in enumerate(events)]


def fold(broker: MemoryBroker, pool: Pool, dsn: str, events: Sequence[Event]) -> None:
    broker.producer().send_all([message_of(event) for event in events])
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, dsn)


def contradicting(events: Sequence[Event]) -> list[Event]:
    """The identities of these with the content of their neighbours of the same listener and kind."""
    said = []
    for one in events:
        others = [two for two in events if (two.type, two.subject) == (one.type, one.subject) and two is not one]
        said += [one.model_copy(update={"data": other.data}) for other in others[:1]]
    return said[:12]


def test_archived_and_replayed_everything_is_as_it_was(
    broker: MemoryBroker, pool: Pool, empty: Pool, blobs: Blobs, postgres_dsn: str
) -> None:
    draw, events = random.Random(3), spread(stream(240, seed=70))
    sent = [*events, *draw.choices(events, k=60), *contradicting(events)]
    draw.shuffle(sent)
    broker.producer().send_all([Outgoing(PLAYS, b"k", b"?")])
    fold(broker, pool, postgres_dsn, sent)
    before = stored(postgres_dsn)
    assert months(pool, MARCH) == [JANUARY, FEBRUARY]
    made = [part for month in (JANUARY, FEBRUARY) for part in archive(pool, blobs, month, size=30)]
    assert sum(part.events for part in made) == 160
    assert len(made) > 5
    assert months(pool, MARCH) == []
    assert stored(postgres_dsn) == before

    then = moment(pool)
    outcome = again(pool, lambda: broker.consumer(uuid4().hex), then)
    assert (outcome.new, outcome.dead) == (0, 1)
    assert digests(pool, then.parts) == then.digests
    assert len(dead_letters(postgres_dsn)) == 1

    anew(empty, LogKeys(pool), blobs, lambda: broker.consumer(uuid4().hex), then)
    text, same = compared(then.digests, digests(empty, then.parts))
    assert same, text
    with pytest.raises(NotEmptyError):
        anew(empty, LogKeys(pool), blobs, lambda: broker.consumer(uuid4().hex), then)
    other_dsn = str(empty.conninfo)
    more = spread(stream(40, seed=71))
    fold(broker, empty, other_dsn, [event for event in more if event.id.int >> 80 >= _ms(MARCH)])
    assert moment(empty).positions == {place: len(log) for place, log in broker.logs.items() if log}


def test_the_archive_is_enough_where_the_log_has_forgotten(
    broker: MemoryBroker, pool: Pool, empty: Pool, blobs: Blobs, postgres_dsn: str
) -> None:
    fold(broker, pool, postgres_dsn, [of(JANUARY, event) for event in stream(60, seed=72)])
    for place, log in broker.logs.items():
        broker.forget(place, len(log))
    fold(broker, pool, postgres_dsn, [of(MARCH, event) for event in stream(60, seed=73)])
    archive(pool, blobs, JANUARY)
    then = moment(pool)
    anew(empty, LogKeys(pool), blobs, lambda: broker.consumer(uuid4().hex), then)
    assert compared(then.digests, digests(empty, then.parts))[1]


def test_what_is_missing_is_folded_and_said(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    fold(broker, pool, postgres_dsn, stream(60, seed=74))
    before = stored(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        for table in ("events", "plays", "ratings", "pair_votes", "picks", "tracks", "track_failures"):
            connection.execute(sql.SQL("delete from feedback.{}").format(sql.Identifier(table)))
    assert again(pool, lambda: broker.consumer(uuid4().hex), moment(pool)).new == 60
    assert stored(postgres_dsn) == before


def test_a_row_is_folded_anew_with_what_its_archived_events_said(
    broker: MemoryBroker, pool: Pool, blobs: Blobs, postgres_dsn: str
) -> None:
    early = of(JANUARY, play(1, TRACKS[0], START, 100, (0, 100)))
    late = of(MARCH, play(2, TRACKS[0], START, 500, (400, 500)))
    fold(broker, pool, postgres_dsn, [early, late])
    archive(pool, blobs, JANUARY)
    contents = [
        late.model_copy(update={"data": play(2, TRACKS[0], START, at, (300, at)).data}) for at in range(600, 640)
    ]
    fold(broker, pool, postgres_dsn, contents)  # among so many digests one is less than the first one's
    (row,) = stored(postgres_dsn).plays.values()
    assert row.heard[0] == (0, 100)
    assert row.heard[1][0] == 300


def test_what_comes_for_a_month_that_is_gone_is_set_aside_alone(
    broker: MemoryBroker, pool: Pool, blobs: Blobs, postgres_dsn: str
) -> None:
    events = [of(JANUARY, event) for event in stream(20, seed=75)]
    fold(broker, pool, postgres_dsn, events[:10])
    archive(pool, blobs, JANUARY)
    fold(broker, pool, postgres_dsn, [events[15], *(of(MARCH, event) for event in stream(20, seed=76))])
    ((_, _, reason),) = dead_letters(postgres_dsn).values()
    assert "this_month_is_archived" in reason
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("select count(*) from feedback.events").fetchall() == [(20,)]


class Broken(Blobs):
    """A store that keeps half of what it is given."""

    def read(self, url: str) -> bytes:
        return super().read(url)[:-20]


def test_a_month_stays_where_its_file_is_not_what_was_written(
    broker: MemoryBroker, pool: Pool, blobs: Blobs, tmp_path: Path, postgres_dsn: str
) -> None:
    fold(broker, pool, postgres_dsn, [of(JANUARY, event) for event in stream(20, seed=77)])
    then = moment(pool)
    with pytest.raises(ValueError, match="not what was stored"):
        archive(pool, Broken(tmp_path.as_uri()), JANUARY)
    assert moment(pool) == then
    assert months(pool, MARCH) == [JANUARY]
    (part,) = archive(pool, blobs, JANUARY)
    rows: list[Any] = list(opened(blobs, part))
    assert len(rows) == 20
    with pytest.raises(ValueError, match="no file of events"):
        list(rows_of(b"PAR1, or not"))


class Away(Blobs):
    """A store that goes away, or a process that is killed, before any file is gone."""

    def drop(self, url: str) -> None:
        raise OSError(f"the store is away, {url} stays")


def test_files_whose_term_is_over_go_and_what_they_were_folded_into_stays(
    broker: MemoryBroker, pool: Pool, empty: Pool, blobs: Blobs, postgres_dsn: str
) -> None:
    fold(broker, pool, postgres_dsn, spread(stream(60, seed=78)))
    (old,), (young,) = archive(pool, blobs, JANUARY), archive(pool, blobs, FEBRUARY)
    before = stored(postgres_dsn)
    with pytest.raises(OSError, match="away"):
        expire(pool, Away(blobs.address), FEBRUARY)
    assert blobs.read(old.url)
    assert expire(pool, blobs, FEBRUARY) == [old.url]
    assert expire(pool, blobs, FEBRUARY) == []
    with pytest.raises(FileNotFoundError):
        blobs.read(old.url)
    assert blobs.read(young.url)
    assert stored(postgres_dsn) == before
    then = moment(pool)
    assert again(pool, lambda: broker.consumer(uuid4().hex), then).new == 0
    with pytest.raises(ForgottenError, match="2026-01 are kept no longer"):
        anew(empty, LogKeys(pool), blobs, lambda: broker.consumer(uuid4().hex), then)


def _ms(month: date) -> int:
    return int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp() * 1000)
