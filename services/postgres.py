"""How the services reach Postgres: pools, transactions, named queries, and one error for "it is away".

This is the home of psycopg; what is read and written is each process's own `store`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from services.errors import BackendAway

Pool = ConnectionPool[Connection[DictRow]]
AsyncPool = AsyncConnectionPool[AsyncConnection[DictRow]]
Queries = Mapping[str, LiteralString]

_PATIENCE_S: Final = 3
_CONNECTION: Final[dict[str, Any]] = {"row_factory": dict_row, "connect_timeout": _PATIENCE_S}


def connect(dsn: str) -> Connection[DictRow]:
    """One connection in autocommit mode.

    Raises:
        BackendAway: the server cannot be reached.
    """
    with reaching():
        return psycopg.connect(dsn, autocommit=True, row_factory=dict_row, connect_timeout=_PATIENCE_S)


def open_pool(dsn: str, size: int = 1) -> Pool:
    """An open pool. It connects in the background and keeps trying while the server is away, so this never fails;
    a connection is tested before it is lent."""
    return ConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=_PATIENCE_S,
        reconnect_timeout=_PATIENCE_S,
        open=True,
        kwargs=_CONNECTION,
        check=ConnectionPool.check_connection,
    )


def open_async_pool(dsn: str, size: int = 8) -> AsyncPool:
    """The same for asyncio; it must be entered (`async with`) in the loop that uses it."""
    return AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=_PATIENCE_S,
        reconnect_timeout=_PATIENCE_S,
        open=False,
        kwargs=_CONNECTION,
        check=AsyncConnectionPool.check_connection,
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
    """Translates the loss of the server (or of a lock race, a full disk, a shutdown) inside it.

    Raises:
        BackendAway: the same may succeed later.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackendAway("postgres", f"The database cannot be reached: {reason}") from error


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
