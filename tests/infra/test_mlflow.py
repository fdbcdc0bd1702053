"""MLflow's database is MLflow's: its login owns it and has no right in ours, and nobody else's login gets in."""

import psycopg
import pytest
from psycopg.rows import scalar_row

from infra.local.home import Home
from infra.local.logins import ROLES, dsn_of, make_logins, name_of
from infra.local.mlflow import DATABASE, hand_over
from infra.local.postgres import with_database

OTHERS = "select count(*) from pg_tables where schemaname = 'public' and tableowner <> %s"


@pytest.mark.usefixtures("mlflow_url")
def test_what_its_server_made_and_what_an_older_stack_left_is_its_own(postgres_server: str, servers_home: Home) -> None:
    database = with_database(postgres_server, DATABASE)
    with psycopg.connect(database, autocommit=True, row_factory=scalar_row) as owner:
        assert owner.execute(OTHERS, (name_of("mlflow"),)).fetchone() == 0
        owner.execute("create table left_by_an_older_stack (id serial)")
        hand_over(servers_home, postgres_server)
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
