"""How the services reach Postgres: pools, transactions, named queries, and one error for "it is away".

This is the home of psycopg; what is read and written is each process's own `store`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from services.errors import BackendAway

Pool = ConnectionPool[Connection[DictRow]]
AsyncPool = AsyncConnectionPool[AsyncConnection[DictRow]]
Queries = Mapping[str, LiteralString]

_PATIENCE_S: Final = 3
_CHECK_S: Final = 2.0
_GRACE_S: Final = 2.0
# A host that died without a word is noticed by the kernel.
_KEEPALIVE: Final = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_CONNECTION: Final[dict[str, Any]] = {"row_factory": dict_row, "connect_timeout": _PATIENCE_S, **_KEEPALIVE}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the server serves one connection before it gives up, in seconds; it then undoes the transaction.

    `lock_s`: it waits for a row or table that another holds. `idle_s`: a transaction is open and its owner says
    nothing; a stopped owner would otherwise hold its rows for ever. The client waits for `statement_s` and a little
    more: a server that hangs does not keep its own limits.
    """

    statement_s: float
    lock_s: float = 5.0
    idle_s: float = 15.0

    def settings(self) -> dict[str, str]:
        """As the server is told: in milliseconds; and no statement is compiled, which takes longer than any of ours
        gains by it."""
        limits = {
            "statement_timeout": self.statement_s,
            "lock_timeout": self.lock_s,
            "idle_in_transaction_session_timeout": self.idle_s,
        }
        return {name: str(int(seconds * 1000)) for name, seconds in limits.items()} | {"jit": "off"}


# What answers a request; what asks a long question; what works alone, and what reads everything for it.
QUICK: Final = Limits(statement_s=5.0, lock_s=3.0)
REPORTS: Final = Limits(statement_s=15.0)
STEADY: Final = Limits(statement_s=30.0)
PATIENT: Final = Limits(statement_s=600.0)

_SET: Final = "select set_config(key, value, false) from jsonb_each_text(%s)"


class _Patient(Connection[DictRow]):
    """Waits for `patience_s` for each answer of the server, then closes."""

    patience_s = STEADY.statement_s + _GRACE_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - to be made a public one, says its text
            if timeout is not None:
                raise
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from error


class _AsyncPatient(AsyncConnection[DictRow]):
    """The same for asyncio."""

    patience_s = STEADY.statement_s + _GRACE_S

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - given
        try:
            return await super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - as above
            if timeout is not None:
                raise
            await self.close()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from error


def connect(dsn: str) -> Connection[DictRow]:
    """One connection in autocommit mode, without limits to its statements.

    Raises:
        BackendAway: the server cannot be reached.
    """
    with reaching():
        return psycopg.connect(dsn, autocommit=True, **_CONNECTION)


def open_pool(dsn: str, size: int = 1, limits: Limits = STEADY) -> Pool:
    """An open pool. It connects in the background and keeps trying while the server is away, so this never fails;
    a connection is tested before it is lent."""

    def configure(connection: Any) -> None:
        connection.execute(_SET, [Jsonb(limits.settings())])
        connection.commit()
        connection.patience_s = limits.statement_s + _GRACE_S

    def check(connection: Any) -> None:
        usual, connection.patience_s = connection.patience_s, _CHECK_S
        ConnectionPool.check_connection(connection)
        connection.patience_s = usual

    return ConnectionPool(
        dsn,
        connection_class=_Patient,
        min_size=1,
        max_size=size,
        timeout=_PATIENCE_S,
        reconnect_timeout=_PATIENCE_S,
        open=True,
        kwargs=_CONNECTION,
        configure=configure,
        check=check,
    )


def open_async_pool(dsn: str, size: int = 8, limits: Limits = QUICK) -> AsyncPool:
    """The same for asyncio; it must be entered (`async with`) in the loop that uses it."""

    async def configure(connection: Any) -> None:
        await connection.execute(_SET, [Jsonb(limits.settings())])
        await connection.commit()
        connection.patience_s = limits.statement_s + _GRACE_S

    async def check(connection: Any) -> None:
        usual, connection.patience_s = connection.patience_s, _CHECK_S
        await AsyncConnectionPool.check_connection(connection)
        connection.patience_s = usual

    return AsyncConnectionPool(
        dsn,
        connection_class=_AsyncPatient,
        min_size=1,
        max_size=size,
        timeout=_PATIENCE_S,
        reconnect_timeout=_PATIENCE_S,
        open=False,
        kwargs=_CONNECTION,
        configure=configure,
        check=check,
    )


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection[DictRow]]:
    """One transaction: committed when the block ends, undone when it raises.

    Raises:
        BackendAway: the server cannot be reached, or the connection broke. It is then unknown whether the commit
            happened.
    """
    with reaching(), pool.connection() as connection, connection.transaction():
        yield connection


@contextmanager
def reaching() -> Iterator[None]:
    """Translates what passes by itself: the server is lost, shuts down, is read-only after a failover, has no room or
    no time, or somebody else was quicker.

    Raises:
        BackendAway: the same may succeed later.
    """
    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        if not _passes(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackendAway("postgres", f"The database cannot be reached: {reason}") from error


# PostgreSQL's appendix A: connection, transaction rollback (deadlock), resources, operator intervention, system.
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
# Read-only, left idle in a transaction (twice), a lock that is not to be had.
_PASSING: Final = frozenset({"25006", "25P03", "25P04", "55P03"})


def _passes(error: Exception) -> bool:
    state = getattr(error, "sqlstate", None)
    if state is None:  # it comes from the client: nothing, or no answer, was heard
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout))
    return state[:2] in _PASSING_CLASSES or state in _PASSING


def load_queries(path: Path) -> Queries:
    """The statements of a `.sql` file by the names in their `-- name: word` lines.

    Raises:
        ValueError: the file has a statement without a name, or a name twice.
    """
    head, *rest = re.split(r"^-- name: (\w+)[ \t]*\n", path.read_text("utf-8"), flags=re.MULTILINE)
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{path.name}: a statement comes before the first name")
    names, statements = rest[::2], rest[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path.name}: a name is used twice")
    # The file ships with the code, so its text is as trusted as a literal.
    return cast("Queries", dict(zip(names, statements, strict=True)))
