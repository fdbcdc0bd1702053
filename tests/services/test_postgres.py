"""Named queries, transactions, and one error for a server that is away."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from services.errors import BackendAway
from services.postgres import (
    AsyncPool,
    Limits,
    Pool,
    connect,
    load_queries,
    open_async_pool,
    open_pool,
    reaching,
    transaction,
)
from tests.contracts.streams import until
from tests.door import Outage, door


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


def test_a_server_that_is_read_only_after_a_failover_is_away(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn) as pool:
        with pytest.raises(BackendAway), transaction(pool) as connection:
            connection.execute("set transaction read only").connection.execute("create table t (n int)")
        with transaction(pool) as connection:
            connection.execute("create table t (n int)")


def test_no_statement_is_compiled(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn) as pool, transaction(pool) as connection:
        assert connection.execute("show jit").fetchall() == [{"jit": "off"}]


def test_a_statement_that_takes_too_long_is_ended(postgres_dsn: str) -> None:
    with open_pool(postgres_dsn, limits=Limits(statement_s=0.2)) as pool:
        with pytest.raises(BackendAway, match="timeout"), transaction(pool) as connection:
            connection.execute("select pg_sleep(3600)")
        until(lambda: _answers(pool))


def test_an_owner_that_stops_inside_its_transaction_does_not_hold_its_successor(postgres_dsn: str) -> None:
    limits = Limits(statement_s=30, lock_s=30, idle_s=3)
    with open_pool(postgres_dsn, limits=limits) as stopped, open_pool(postgres_dsn, limits=limits) as successor:
        with transaction(successor) as connection:
            connection.execute("create table t (n int)").connection.execute("insert into t values (0)")
        with pytest.raises(BackendAway, match="idle"), transaction(stopped) as zombie:
            _stand_still_inside(zombie, successor)
        with transaction(stopped) as connection:
            assert connection.execute("select n from t").fetchall() == [{"n": 10}]


def test_a_server_that_hangs_is_away_and_comes_back(postgres_dsn: str) -> None:
    """It hangs while a statement runs, and again while connections idle: no answer ever comes."""
    parts = psycopg.conninfo.conninfo_to_dict(postgres_dsn)
    with door(str(parts["host"]), int(parts["port"] or 5432)) as way:
        dsn = psycopg.conninfo.make_conninfo(postgres_dsn, host="127.0.0.1", port=way.port)
        with open_pool(dsn, limits=Limits(statement_s=1)) as pool:
            with pytest.raises(BackendAway), transaction(pool) as connection, way.away("frozen"):
                connection.execute("select 1")
            until(lambda: _answers(pool))
            with way.away("frozen"):
                assert not _answers(pool)
            until(lambda: _answers(pool))


def _stand_still_inside(zombie: Connection[DictRow], successor: Pool) -> None:
    zombie.execute("update t set n = n + 1")
    with transaction(successor) as connection:
        connection.execute("update t set n = n + 10")
    zombie.execute("update t set n = n + 1")


def _answers(pool: Pool) -> bool:
    try:
        with transaction(pool) as connection:
            return connection.execute("select 1 as n").fetchall() == [{"n": 1}]
    except BackendAway:
        return False


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_the_pool_for_asyncio_outlives_an_outage(postgres_dsn: str, how: Outage) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(postgres_dsn)

    async def went_on() -> list[bool]:
        with door(str(parts["host"]), int(parts["port"] or 5432)) as way:
            dsn = psycopg.conninfo.make_conninfo(postgres_dsn, host="127.0.0.1", port=way.port)
            async with open_async_pool(dsn, limits=Limits(statement_s=1)) as pool:
                while not await _hears(pool):
                    pass
                heard = []
                with way.away(how):
                    heard += await asyncio.gather(*(_hears(pool) for _ in range(20)))
                while not await _hears(pool):
                    pass
            return heard

    assert asyncio.run(went_on()) == 20 * [False]


async def _hears(pool: AsyncPool) -> bool:
    try:
        with reaching():
            async with pool.connection() as connection:
                return await (await connection.execute("select 1 as n")).fetchone() == {"n": 1}
    except BackendAway:
        return False
