"""Of an erased listener no file of an archived month holds a row, and the others' rows are as they were."""

import threading
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schemas.blobs import Store as Blobs
from services.aggregator import forgetting
from services.aggregator.archive import LIMITS, QUERIES, archive, expire, parts
from services.aggregator.archive_files import opened
from services.aggregator.batch import sort_out
from services.aggregator.eraser import Eraser
from services.aggregator.forgetting import forget
from services.aggregator.parquet import Row, rows_of
from services.aggregator.store import Store
from services.grants import AGGREGATOR
from services.postgres import Pool, open_pool, transaction
from tests.services.aggregator.samples import TRACKS, owner, stream
from tests.services.aggregator.test_archive import FEBRUARY, JANUARY, spread
from tests.services.aggregator.test_eraser import begin, confirmed
from tests.services.aggregator.test_store import Log, write_all
from tests.services.roles import play

GONE, ALSO_GONE = owner(TRACKS[1]), owner(TRACKS[2])


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process may not do is refused here too."""
    play(monkeypatch, AGGREGATOR)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, 3, limits=LIMITS) as pool:
        yield pool


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path.as_uri())


def take_out(pool: Pool, blobs: Blobs, *months: date) -> None:
    """Events of three months, of which these are files."""
    write_all(Store(pool), [sort_out(Log().messages(spread(stream(240, seed=70))))])
    for month in months:
        archive(pool, blobs, month, size=30)


def named(pool: Pool, blobs: Blobs) -> list[Row]:
    """The rows of every file that has a row, in the order in which they are read."""
    with transaction(pool) as connection:
        files = parts(connection)
    read = [list(opened(blobs, each)) for each in files]
    assert [each.events for each in files] == [len(rows) for rows in read]
    return [row for rows in read for row in rows]


def lying(folder: Path) -> list[Row]:
    """The rows of every file that lies there, whether a row names it or not."""
    return [row for path in sorted(folder.rglob("*.parquet")) for row in rows_of(path.read_bytes())]


def test_no_file_holds_a_row_of_theirs_and_the_rest_is_as_it_was(
    pool: Pool, blobs: Blobs, postgres_dsn: str, tmp_path: Path
) -> None:
    take_out(pool, blobs, JANUARY, FEBRUARY)
    before = named(pool, blobs)
    assert any(row["listener_id"] == GONE for row in before)
    begin(postgres_dsn, GONE)
    assert forget(pool, blobs) == 0  # their events may still be on their way into a file
    Eraser(pool, threading.Event()).turn()
    assert confirmed(postgres_dsn) == ["feedback"]
    assert forget(pool, blobs) == 1
    kept = [row for row in before if row["listener_id"] != GONE]
    assert named(pool, blobs) == kept
    assert sorted(row["id"] for row in lying(tmp_path)) == sorted(row["id"] for row in kept)
    assert confirmed(postgres_dsn) == ["archives", "feedback"]
    assert forget(pool, blobs) == 0


def test_a_file_that_a_killed_command_left_goes_too(
    pool: Pool, blobs: Blobs, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(pool, blobs, JANUARY)
    with monkeypatch.context() as broken:
        broken.setitem(QUERIES, "take_out", "no such statement")
        with pytest.raises(psycopg.Error):
            archive(pool, blobs, FEBRUARY, size=30)
    assert len(lying(tmp_path)) > len(named(pool, blobs))
    begin(postgres_dsn, GONE)
    Eraser(pool, threading.Event()).turn()
    assert forget(pool, blobs) == 1
    assert len(lying(tmp_path)) == len(named(pool, blobs))
    assert not any(row["listener_id"] == GONE for row in lying(tmp_path))


def test_a_file_whose_term_is_over_goes_as_a_whole(pool: Pool, blobs: Blobs, postgres_dsn: str, tmp_path: Path) -> None:
    take_out(pool, blobs, JANUARY, FEBRUARY)
    expire(pool, blobs, FEBRUARY)
    begin(postgres_dsn, GONE)
    Eraser(pool, threading.Event()).turn()
    assert forget(pool, blobs) == 1
    left = {row["listener_id"] for row in lying(tmp_path)}
    assert left
    assert GONE not in left


class Killed(BaseException):
    """The process is no more."""


def test_killed_at_any_step_the_next_call_ends_it(
    pool: Pool, blobs: Blobs, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(pool, blobs, JANUARY)
    kept = [row for row in named(pool, blobs) if row["listener_id"] not in (GONE, ALSO_GONE)]
    begin(postgres_dsn, GONE)
    Eraser(pool, threading.Event()).turn()
    for calls in count():
        if calls == 5:  # what is due then is more than what was begun
            begin(postgres_dsn, ALSO_GONE)
            Eraser(pool, threading.Event()).turn()
        with monkeypatch.context() as broken:
            left = calls

            def fused(call: Any) -> Any:
                def burning(*values: Any, **named: Any) -> Any:
                    nonlocal left
                    left -= 1
                    if left < 0:
                        raise Killed
                    return call(*values, **named)

                return burning

            for part, name in (
                (forgetting, "stored"),
                (Blobs, "remove"),
                (Blobs, "write_once"),
                (forgetting, "opened"),
            ):
                broken.setattr(part, name, fused(getattr(part, name)))
            try:
                assert forget(pool, blobs) == 2
                break
            except Killed:
                assert "archives" not in confirmed(postgres_dsn)
    assert calls >= 8
    assert named(pool, blobs) == kept
    assert len(lying(tmp_path)) == len(kept)
