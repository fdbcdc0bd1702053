"""MLflow as a part that asks who one is, and the database that is its own: its login owns that one and has no right in
ours, at our server and, where one is named, at a given one."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

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
OWN_DSN: Final = f"{logins.DSN}_MLFLOW"
"""Where a database is given: the variable that names MLflow's login and its database at that server."""
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
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "authorization_function": "training.mlflow_login:name_and_password",
        "database_uri": _as_itself(stack).replace("%", "%%"),
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


def database_of(stack: Stack) -> str:
    """The name of its database."""
    return urlsplit(_as_itself(stack)).path.removeprefix("/")


def make_its_own(home: Home, stack: Stack) -> None:
    """Leave MLflow's login the owner of its database: at our server made for it, at a given one as it is named.

    Raises:
        StackError: that may not be, or the named login is not let in.
    """
    owner, itself = logins.owner_of(home, stack), _as_itself(stack)
    as_owner = postgres.with_database(owner, database_of(stack))
    if stack.part("postgres").is_ours:
        hand_over(as_owner, make_login(home, owner))
    elif itself != as_owner and not is_handed_over(itself):
        hand_over(as_owner, unquote(urlsplit(itself).username or ""))


def make_login(home: Home, owner: str) -> str:
    """Make MLflow's login at our own server, with the password that lies in `home`; returns its name.

    Args:
        owner: DSN of a superuser.

    Raises:
        StackError: that may not be.
    """
    try:
        with psycopg.connect(owner, connect_timeout=10) as connection:
            logins.make_login(home, connection, _PROCESS)
    except psycopg.Error as error:
        raise StackError(f"MLflow's login cannot be made: {str(error).strip()}") from error
    return logins.name_of(_PROCESS)


def hand_over(database: str, login: str) -> None:
    """Leave a login the owner of MLflow's database and of all that is in it, also where the owner of ours made them.
    Nobody else may connect to it.

    Args:
        database: DSN of MLflow's database, as its owner, who is a member of `login`, or as a superuser.
        login: MLflow's, which is there.

    Raises:
        StackError: that may not be.
    """
    owner = sql.Identifier(login)
    try:
        with psycopg.connect(database, connect_timeout=10) as connection:
            name = sql.Identifier(connection.info.dbname)
            for statement in ("alter database {} owner to {}", "revoke all on database {} from public"):
                connection.execute(sql.SQL(statement).format(name, owner))
            connection.execute(sql.SQL("alter schema public owner to {}").format(owner))
            for (table,) in connection.execute(_OF_OTHERS, (login,)).fetchall():
                connection.execute(sql.SQL("alter table public.{} owner to {}").format(sql.Identifier(table), owner))
    except psycopg.Error as error:
        raise StackError(f"MLflow cannot be given its database: {str(error).strip()}") from error


def is_handed_over(database: str) -> bool:
    """Whether the login of this DSN owns its database and all tables that are in it.

    Raises:
        StackError: the login is not let in.
    """
    try:
        with psycopg.connect(database, connect_timeout=10) as connection:
            found = connection.execute(_IS_OWNER).fetchone()
    except psycopg.Error as error:
        raise StackError(f"{OWN_DSN}: MLflow's login is not let in: {str(error).strip()}") from error
    return found == (True,)


_OF_OTHERS: Final = "select tablename from pg_tables where schemaname = 'public' and tableowner <> %s"
_IS_OWNER: Final = """
select pg_get_userbyid(datdba) = current_user
    and not exists (select from pg_tables where schemaname = 'public' and tableowner <> current_user)
from pg_database where datname = current_database()
"""


def _as_itself(stack: Stack) -> str:
    return stack.part("mlflow").environment["MLFLOW_BACKEND_STORE_URI"]


def _users_file(home: Home) -> Path:
    return home.run / "mlflow.ini"
