"""Named queries, transactions, and one error for a server that is away."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from services.errors import BackendAway
from services.postgres import connect, load_queries, open_async_pool, open_pool, transaction


def sql_file(folder: Path, text: str) -> Path:
    path = folder / "queries.sql"
    path.write_text(text)
    return path


def test_queries_are_found_by_name(tmp_path: Path) -> None:
    queries = load_queries(
        sql_file(tmp_path, "-- About these.\n\n-- name: one\nselect 1;\n\n-- name: two\n-- why\nselect 2;\n")
    )
    assert {name: text.strip() for name, text in queries.items()} == {"one": "select 1;", "two": "-- why\nselect 2;"}


def test_a_statement_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before the first name"):
        load_queries(sql_file(tmp_path, "select 1;\n-- name: two\nselect 2;\n"))


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        load_queries(sql_file(tmp_path, "-- name: one\nselect 1;\n-- name: one\nselect 2;\n"))


def test_a_transaction_is_whole_or_nothing(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn) as pool:
        with transaction(pool) as connection:
            connection.execute("create table t (n int)")
        with pytest.raises(psycopg.errors.DivisionByZero), transaction(pool) as connection:
            connection.execute("insert into t values (1)").connection.execute("select 1 / 0")
        with transaction(pool) as connection:
            assert connection.execute("select count(*) as n from t").fetchall() == [{"n": 0}]


def test_a_broken_connection_is_said_and_the_next_one_works(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn) as pool:
        with pytest.raises(BackendAway, match="database"), transaction(pool) as connection:
            connection.execute("select pg_terminate_backend(pg_backend_pid())")
        with transaction(pool) as connection:
            assert connection.execute("select 1 as n").fetchall() == [{"n": 1}]


def test_a_wrong_statement_is_not_an_absence(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn) as pool, pytest.raises(psycopg.errors.UndefinedTable), transaction(pool) as connection:
        connection.execute("select * from nowhere")


def test_an_absent_server_is_said() -> None:
    with pytest.raises(BackendAway) as caught:
        connect("postgresql://nobody@127.0.0.1:1/none")
    assert caught.value.code == "postgres_away"


async def _ask(dsn: str) -> object:
    async with open_async_pool(dsn) as pool, pool.connection() as connection:
        return await (await connection.execute("select 1 as n")).fetchone()


def test_the_pool_for_asyncio_gives_rows_by_name(postgres_dsn: str) -> None:
    assert asyncio.run(_ask(postgres_dsn)) == {"n": 1}
