"""A login of its own for each process at our own PostgreSQL: a member of the role that says what it may do."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from infra.local import postgres
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Stack
from services.grants import AGGREGATOR, FACTORY, GATEWAY, ROLLOUT

DSN: Final = "ENCORE_POSTGRES_DSN"
ROLES: Final[Mapping[str, str]] = {"gateway": GATEWAY, "aggregator": AGGREGATOR, "rollout": ROLLOUT, "factory": FACTORY}
OWN_DSN: Final[Mapping[str, str]] = {process: f"{DSN}_{process.upper()}" for process in ROLES}
"""Where a database is given: the variable that names the login of one process there."""


def dsn_of(home: Home, process: str, owner: str) -> str:
    """Where a process reaches the database of the DSN `owner`, as itself."""
    parts = urlsplit(owner)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name_of(process)}:{quote(_password(home, process))}@{address}"))


def owner_of(home: Home, stack: Stack) -> str:
    """The DSN for migrations, and for commands that look at everything: the owner's."""
    if stack.part("postgres").is_ours:
        return postgres.dsn(home, stack.ports["postgres"])
    return stack.part("postgres").probe.target


def make_logins(home: Home, owner: str) -> None:
    """Make the logins that are missing; each gets the password that lies in `home`, so a new file is a new password.

    Raises:
        StackError: the owner may not make them.
    """
    try:
        with psycopg.connect(owner, connect_timeout=10) as connection:
            for process, role in ROLES.items():
                make_login(home, connection, process)
                login = sql.Identifier(name_of(process))
                connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), login))
    except psycopg.Error as error:
        raise StackError(f"The logins of the processes cannot be made: {str(error).strip()}") from error


def make_login(home: Home, connection: psycopg.Connection[Any], process: str) -> None:
    """Make the login of one process if it is missing, with no right yet, and set its password."""
    login = sql.Identifier(name_of(process))
    known = connection.execute("select 1 from pg_roles where rolname = %s", (name_of(process),)).fetchone()
    if known is None:
        connection.execute(sql.SQL("create role {}").format(login))
    password = sql.Literal(_password(home, process))
    connection.execute(sql.SQL("alter role {} login inherit password {}").format(login, password))


def name_of(process: str) -> str:
    """The name of a process's login."""
    return f"encore_{process}_login"


def _password(home: Home, process: str) -> str:
    return home.secret(f"postgres.{process}.password")
