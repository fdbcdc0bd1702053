"""MLflow as a part that asks who one is, and the database that is its own: its login owns that one and has no right in
ours."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from infra.local import logins, postgres
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Probe, Stack
from infra.local.ports import LOOPBACK
from services import mlflow_users
from services.private_files import write_private

DATABASE: Final = "mlflow"
_PROCESS: Final = "mlflow"


def part(home: Home, port: int, database: str, environment: Mapping[str, str]) -> Part:
    """The server process on `port`, with its rows in `database` (a DSN)."""
    url = f"http://{LOOPBACK}:{port}"
    return Part(
        name="mlflow",
        command=(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            LOOPBACK,
            "--port",
            str(port),
            "--workers",
            "1",
            "--app-name",
            "basic-auth",
            "--serve-artifacts",
            "--artifacts-destination",
            (home.blobs / "mlflow").as_uri(),
        ),
        address=url,
        probe=Probe("http", f"{url}/health"),
        after=("database of mlflow",),
        environment={
            **environment,
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_AUTH_CONFIG_PATH": str(_users_file(home)),
            "MLFLOW_AUTH_ADMIN_USERNAME": mlflow_users.ADMIN,
            "MLFLOW_AUTH_ADMIN_PASSWORD": password(home, mlflow_users.ADMIN),
            "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": home.secret("mlflow.forms.token"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        patience_s=600,
    )


def dsn(home: Home, postgres_port: int) -> str:
    """Its database on our own server, as itself."""
    return logins.dsn_of(home, _PROCESS, postgres.with_database(postgres.dsn(home, postgres_port), DATABASE))


def password(home: Home, user: str) -> str:
    """Of one of MLflow's users, made once."""
    return home.secret(password_file(user))


def password_file(user: str) -> str:
    """Its name in the data folder."""
    return f"mlflow.{user}.password"


def tell_where_users_are(home: Home, stack: Stack) -> None:
    """Write MLflow's own settings of them, which it reads when it starts: they lie beside its rows."""
    database = stack.part("mlflow").environment["MLFLOW_BACKEND_STORE_URI"]
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": database.replace("%", "%%"),
        # A password is looked at as slowly as it should be; once a minute is enough.
        "auth_cache_ttl_seconds": "60",
    }
    write_private(_users_file(home), "[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))


def make_users(home: Home, stack: Stack) -> None:
    """Make MLflow's users, each with the password that lies in `home`.

    Raises:
        StackError: MLflow does not let its administrator in, or refuses.
    """
    passwords = {user: password(home, user) for user in mlflow_users.GRANTS}
    try:
        mlflow_users.make(stack.part("mlflow").address, password(home, mlflow_users.ADMIN), passwords)
    except mlflow_users.UsersError as error:
        raise StackError(f"MLflow's users cannot be made: {error}") from error


def hand_over(home: Home, server: str) -> None:
    """Make MLflow's login and leave it the owner of its database and of all that is in it, also where the owner of ours
    made them. Nobody else may connect to it.

    Args:
        server: DSN of a superuser.

    Raises:
        StackError: that may not be.
    """
    login = sql.Identifier(logins.name_of(_PROCESS))
    try:
        with psycopg.connect(postgres.with_database(server, DATABASE), connect_timeout=10) as connection:
            logins.make_login(home, connection, _PROCESS)
            for statement in ("alter database {} owner to {}", "revoke all on database {} from public"):
                connection.execute(sql.SQL(statement).format(sql.Identifier(DATABASE), login))
            connection.execute(sql.SQL("alter schema public owner to {}").format(login))
            for (table,) in connection.execute(_OF_OTHERS, (logins.name_of(_PROCESS),)).fetchall():
                connection.execute(sql.SQL("alter table public.{} owner to {}").format(sql.Identifier(table), login))
    except psycopg.Error as error:
        raise StackError(f"MLflow cannot be given its database: {str(error).strip()}") from error


_OF_OTHERS: Final = "select tablename from pg_tables where schemaname = 'public' and tableowner <> %s"


def _users_file(home: Home) -> Path:
    return home.run / "mlflow.ini"
