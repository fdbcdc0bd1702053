"""A login of its own for each process at our own PostgreSQL: a member of the role that says what it may do."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from infra.local.errors import StackError
from infra.local.home import Home
from services.grants import AGGREGATOR, FACTORY, GATEWAY, ROLLOUT

ROLES: Final[Mapping[str, str]] = {"gateway": GATEWAY, "aggregator": AGGREGATOR, "rollout": ROLLOUT, "factory": FACTORY}


def dsn_of(home: Home, process: str, owner: str) -> str:
    """Where a process reaches the database of the DSN `owner`, as itself."""
    parts = urlsplit(owner)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{_login(process)}:{quote(_password(home, process))}@{address}"))


def make_logins(home: Home, owner: str) -> None:
    """Make the logins that are missing; each gets the password that lies in `home`, so a new file is a new password.

    Raises:
        StackError: the owner may not make them.
    """
    try:
        with psycopg.connect(owner, connect_timeout=10) as connection:
            for process, role in ROLES.items():
                login = sql.Identifier(_login(process))
                known = connection.execute("select 1 from pg_roles where rolname = %s", (_login(process),)).fetchone()
                if known is None:
                    connection.execute(sql.SQL("create role {}").format(login))
                password = sql.Literal(_password(home, process))
                connection.execute(sql.SQL("alter role {} login inherit password {}").format(login, password))
                connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), login))
    except psycopg.Error as error:
        raise StackError(f"The logins of the processes cannot be made: {str(error).strip()}") from error


def _login(process: str) -> str:
    return f"encore_{process}_login"


def _password(home: Home, process: str) -> str:
    return home.secret(f"postgres.{process}.password")
