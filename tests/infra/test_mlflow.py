"""MLflow's database is MLflow's: its login owns it and has no right in ours, and nobody else's login gets in."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from infra.local import logins
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.jobs import jobs
from infra.local.logins import ROLES, dsn_of, make_logins, name_of
from infra.local.mlflow import DATABASE, OWN_DSN, hand_over, make_login
from infra.local.plan import plan
from infra.local.ports import claims
from infra.local.postgres import with_database

OTHERS = "select count(*) from pg_tables where schemaname = 'public' and tableowner <> %s"


@pytest.mark.usefixtures("mlflow_url")
def test_what_its_server_made_and_what_an_older_stack_left_is_its_own(postgres_server: str, servers_home: Home) -> None:
    database = with_database(postgres_server, DATABASE)
    with psycopg.connect(database, autocommit=True, row_factory=scalar_row) as owner:
        assert owner.execute(OTHERS, (name_of("mlflow"),)).fetchone() == 0
        owner.execute("create table left_by_an_older_stack (id serial)")
        hand_over(database, make_login(servers_home, postgres_server))
        assert owner.execute(OTHERS, (name_of("mlflow"),)).fetchone() == 0
    with psycopg.connect(dsn_of(servers_home, "mlflow", database)) as itself:
        itself.execute("drop table left_by_an_older_stack")
        assert itself.execute("select count(*) > 0 from experiments").fetchone() == (True,)


@pytest.mark.usefixtures("mlflow_url")
def test_it_reads_nothing_of_ours_and_ours_nothing_of_it(
    postgres_server: str, postgres_dsn: str, servers_home: Home
) -> None:
    make_logins(servers_home, postgres_dsn)
    with psycopg.connect(dsn_of(servers_home, "mlflow", postgres_dsn)) as connection:
        for statement in ("select from gateway.tracks", "create table mine ()", "create role another"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()
    for process in ROLES:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(dsn_of(servers_home, process, with_database(postgres_server, DATABASE)))


@contextmanager
def roles(server: str, *names: str) -> Iterator[None]:
    """Roles that log in with their name as password; dropped with all that is theirs, databases apart."""
    with psycopg.connect(server, autocommit=True) as owner:
        for name in names:
            owner.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(name)))
        try:
            yield
        finally:
            databases = owner.execute(
                "select datname from pg_database where pg_get_userbyid(datdba) = any(%s)", ([*names],)
            )
            for (database,) in databases.fetchall():
                owner.execute(sql.SQL("drop database {}").format(sql.Identifier(database)))
            for name in names:
                owner.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def prepare(home: Home, owner: str, own: str) -> None:
    """What a start does at a given server before MLflow is started."""
    environ = {logins.DSN: owner, OWN_DSN: own}
    with claims() as claim:
        stack = plan(home, environ, claim, usual_ports=False)
    by_name = {job.name: job for job in jobs(home, stack, environ)}
    for name in ("databases", "database of mlflow"):
        by_name[name].run()


def as_user(server: str, name: str, database: str) -> str:
    address = server.rpartition("@")[2].partition("/")[0]
    return f"postgresql://{name}:{name}@{address}/{database}"


def test_at_a_given_server_the_login_that_is_named_gets_the_database_and_what_is_in_it(
    home: Home, postgres_server: str
) -> None:
    """The owner of ours may make databases and logins, and is no superuser."""
    unique = uuid4().hex[:8]
    owner, itself, stranger, database = (f"{what}-{unique}" for what in ("owner", "itself", "stranger", "runs"))
    with roles(postgres_server, owner, itself, stranger):
        with psycopg.connect(postgres_server, autocommit=True) as administrator:
            administrator.execute(sql.SQL("alter role {} createdb").format(sql.Identifier(owner)))
            membership = sql.SQL("grant {} to {}").format(sql.Identifier(itself), sql.Identifier(owner))
            administrator.execute(membership)
        owners, own = (as_user(postgres_server, name, database) for name in (owner, itself))
        ours = with_database(owners, "postgres")
        with psycopg.connect(ours, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        with psycopg.connect(owners) as connection:
            connection.execute("create table left_by_the_owner ()")
        for _ in range(2):
            prepare(home, ours, own)
        with psycopg.connect(own) as connection:
            connection.execute("drop table left_by_the_owner")
            connection.execute("create table its_own ()")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(as_user(postgres_server, stranger, database))


def test_at_a_given_server_what_an_administrator_has_made_needs_no_right_of_the_owner_of_ours(
    home: Home, postgres_server: str
) -> None:
    unique = uuid4().hex[:8]
    owner, itself, another, database = (f"{what}-{unique}" for what in ("owner", "itself", "another", "runs"))
    with roles(postgres_server, owner, itself, another):
        with psycopg.connect(postgres_server, autocommit=True) as administrator:
            made = (sql.Identifier(database), sql.Identifier(itself))
            administrator.execute(sql.SQL("create database {} owner {}").format(*made))
            administrator.execute(sql.SQL("revoke all on database {} from public").format(made[0]))
        ours = as_user(postgres_server, owner, "postgres")
        prepare(home, ours, as_user(postgres_server, itself, database))
        with pytest.raises(StackError, match=f"{OWN_DSN}: .*permission denied"):
            prepare(home, ours, as_user(postgres_server, another, database))
