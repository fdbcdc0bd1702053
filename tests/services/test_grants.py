"""Who may write what: declared once, granted exactly, needed by the code, and refused by the server otherwise."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from infra.local.home import PROJECT, Home
from infra.local.logins import ROLES, dsn_of, make_logins
from services.grants import CLOSED, CONFINED, GATEWAY, PROCESSES, READS, WRITERS, Grant, writes

WHERE = "add it to WRITERS in services/grants.py with the role of the process that writes it"
ROOMS = {
    "gateway": ("services/gateway",),
    "aggregator": ("services/aggregator",),
    "rollout": ("services/rollout",),
    "factory": ("training",),
}
STATEMENT = re.compile(r"\b(insert into|update|delete from)\s+(\w+\.\w+)(?=\s|\()", re.IGNORECASE)
RIGHT = {"insert into": "INSERT", "update": "UPDATE", "delete from": "DELETE"}
MONTH = r"^events_(other|\d{4}_\d{2})$"


@pytest.fixture
def owner(postgres_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_dsn, row_factory=scalar_row) as connection:
        yield connection


def test_every_table_has_its_declared_writers(owner: psycopg.Connection[Any]) -> None:
    tables = owner.execute(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname not in ('information_schema', 'public')"
        " and n.nspname !~ '^pg_' and c.relname !~ %s",
        (MONTH,),
    ).fetchall()
    for table in tables:
        assert table in WRITERS, f"the table {table} has no declared writer: {WHERE}"
    assert set(tables) == WRITERS.keys(), "a declared table is not there: take it out of services/grants.py"


def test_what_is_granted_is_what_is_declared(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        "select array[grantee, table_schema || '.' || table_name, privilege_type]"
        " from information_schema.role_table_grants where grantee = any(%s) and privilege_type <> 'SELECT'",
        (list(PROCESSES),),
    ).fetchall()
    assert {Grant(*row) for row in rows} == writes()


@pytest.mark.parametrize("process", ROOMS)
def test_each_process_may_write_what_its_code_writes(process: str) -> None:
    files = (file for folder in ROOMS[process] for file in (PROJECT / folder).rglob("*"))
    code = "\n".join(file.read_text("utf-8") for file in files if file.suffix in (".sql", ".py"))
    needed = {(RIGHT[verb.lower()], table) for verb, table in STATEMENT.findall(code)}
    granted = {(grant.right, grant.table) for grant in writes() if grant.role == ROLES[process]}
    assert needed
    assert needed - granted == set(), f"{process} writes what it has no right to: {WHERE}"


@pytest.mark.parametrize("role", PROCESSES)
def test_the_server_refuses_everything_else(owner: psycopg.Connection[Any], role: str) -> None:
    attempts = {table: _attempts(owner, table) for table in WRITERS}
    owner.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    allowed = {(grant.right, grant.table) for grant in writes() if grant.role == role}
    tried = 0
    for table in WRITERS:
        for right, text in attempts[table].items():
            if (right, table) not in allowed:
                _refused(owner, text)
                tried += 1
        hidden = table in CLOSED and role not in (*WRITERS[table], *CLOSED[table])
        if hidden or table.split(".")[0] not in READS[role]:
            _refused(owner, sql.SQL("select from {}").format(_name(table)))
    assert tried > len(WRITERS)
    _refused(owner, sql.SQL("create table gateway.mine ()"))
    _refused(owner, sql.SQL("drop table gateway.tracks"))
    _refused(owner, sql.SQL("alter table gateway.tracks disable row level security"))


def test_a_new_month_and_its_end_are_made_with_the_owners_right(owner: psycopg.Connection[Any]) -> None:
    owner.execute("set role encore_aggregator")
    for function in ("add_month", "hold_month", "archive_month"):
        owner.execute(sql.SQL("select feedback.{}('2031-05-01')").format(sql.Identifier(function)))
    owner.execute("set role encore_rollout")
    _refused(owner, sql.SQL("select feedback.archive_month('2031-05-01')"))


def test_only_the_gateway_can_take_on_a_request_and_is_not_walled_outside(owner: psycopg.Connection[Any]) -> None:
    assert [role for role in PROCESSES if _may(owner, role, "member")] == [GATEWAY]
    assert not _may(owner, GATEWAY, "usage")


def test_each_process_logs_in_as_itself_with_the_password_that_lies_in_the_folder(
    postgres_dsn: str, servers_home: Home, tmp_path: Path
) -> None:
    make_logins(servers_home, postgres_dsn)
    make_logins(servers_home, postgres_dsn)
    for process, role in ROLES.items():
        with psycopg.connect(dsn_of(servers_home, process, postgres_dsn), row_factory=scalar_row) as connection:
            said = connection.execute(
                "select not rolsuper and pg_has_role(%s, 'usage') from pg_roles where rolname = current_user", (role,)
            ).fetchone()
            assert said is True
            if process == "gateway":
                connection.execute(sql.SQL("set local role {}").format(sql.Identifier(CONFINED)))
    other = Home(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn_of(other, "gateway", postgres_dsn))
    assert urlsplit(dsn_of(other, "gateway", postgres_dsn)).path == urlsplit(postgres_dsn).path


def _may(owner: psycopg.Connection[Any], role: str, how: str) -> Any:
    return owner.execute("select pg_has_role(%s, %s, %s)", (role, CONFINED, how)).fetchone()


def _attempts(owner: psycopg.Connection[Any], table: str) -> dict[str, sql.Composed]:
    column = owner.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and attidentity = '' and attgenerated = '' limit 1",
        (table,),
    ).fetchone()
    name, field = _name(table), sql.Identifier(str(column))
    return {
        "INSERT": sql.SQL("insert into {} default values").format(name),
        "UPDATE": sql.SQL("update {} set {} = null where false").format(name, field),
        "DELETE": sql.SQL("delete from {} where false").format(name),
    }


def _refused(owner: psycopg.Connection[Any], statement: sql.SQL | sql.Composed) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), owner.transaction():
        owner.execute(statement)


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))
