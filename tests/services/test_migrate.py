"""Migrations: once, in order, whole, and never changed afterwards."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from infra.local.postgres import binaries
from services.errors import BackendAway
from services.migrate import MIGRATIONS, ChangedMigration, load, migrate
from tests.threads import ended


@pytest.fixture
def empty(postgres_dsn: str) -> Iterator[str]:
    """DSN of an empty database."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        yield psycopg.conninfo.make_conninfo(postgres_dsn, dbname=name)
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_pre_songs.sql").write_text("create table songs (n int); insert into songs values (1);")
    (tmp_path / "0002_post_tracks.sql").write_text("create table tracks (n int);")
    return tmp_path


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select relname from pg_stat_user_tables")
        return {row[0] for row in rows}


def test_a_second_run_does_nothing(empty: str, folder: Path) -> None:
    assert migrate(empty, folder) == ["0001_pre_songs.sql", "0002_post_tracks.sql"]
    assert migrate(empty, folder) == []
    with psycopg.connect(empty) as connection:
        assert connection.execute("select count(*) from songs").fetchone() == (1,)


def test_only_what_is_new_is_applied(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0003_pre_pairs.sql").write_text("create table pairs (n int);")
    assert migrate(empty, folder) == ["0003_pre_pairs.sql"]


def test_a_changed_file_is_refused_and_nothing_else_applied(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0001_pre_songs.sql").write_text("create table songs (n int, m int);")
    (folder / "0003_pre_pairs.sql").write_text("create table pairs (n int);")
    with pytest.raises(ChangedMigration, match="0001_pre_songs"):
        migrate(empty, folder)
    assert "pairs" not in tables(empty)


def test_a_file_that_fails_half_way_leaves_nothing_and_keeps_those_before(empty: str, folder: Path) -> None:
    bad = folder / "0003_pre_pairs.sql"
    bad.write_text("create table pairs (n int); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty, folder)
    assert tables(empty) == {"schema_migrations", "songs", "tracks"}
    bad.write_text("create table pairs (n int);")
    assert migrate(empty, folder) == ["0003_pre_pairs.sql"]


def test_a_run_that_is_killed_leaves_nothing_half_applied(empty: str, folder: Path) -> None:
    (folder / "0003_pre_pairs.sql").write_text(
        "create table pairs (n int); select pg_terminate_backend(pg_backend_pid()); create table more (n int);"
    )
    with pytest.raises(BackendAway):
        migrate(empty, folder)
    assert tables(empty) == {"schema_migrations", "songs", "tracks"}


def test_two_at_once_apply_each_file_once(empty: str, folder: Path) -> None:
    (folder / "0003_pre_slow.sql").write_text("select pg_sleep(0.2);")
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty, folder)), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        ended(thread)
    assert sorted(results) == [[], ["0001_pre_songs.sql", "0002_post_tracks.sql", "0003_pre_slow.sql"]]


@pytest.mark.parametrize("name", ["1_pre_x.sql", "0003_mid_x.sql", "0003_pre_X.sql", "0002_pre_again.sql"])
def test_a_name_out_of_line_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("select 1;")
    with pytest.raises(ValueError, match=r"named|number"):
        load(folder)


def test_our_own_migrations_apply_to_an_empty_database(empty: str) -> None:
    assert migrate(empty) == [path.name for path in sorted(MIGRATIONS.glob("*.sql"))]


def test_a_dump_is_restored(postgres_dsn: str, empty: str, tmp_path: Path) -> None:
    programs, dump = binaries(os.environ, tmp_path), tmp_path / "dump"
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", postgres_dsn], check=True)
    restore: list[str | Path] = [
        programs / "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        f"--dbname={empty}",
        dump,
    ]
    done = subprocess.run(restore, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert migrate(empty) == []
