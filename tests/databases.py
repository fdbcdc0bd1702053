"""Fresh databases for tests, at hand when they are asked for."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

from infra.local.postgres import with_database

_COPY: Final = sql.SQL("create database {} template {}")
_DROP: Final = sql.SQL("drop database if exists {} with (force)")


class Databases:
    """Copies of the database `template` on the server of the DSN `server`. The next one is made, and the one before
    is dropped, while a test runs: either takes the server as long as a short test takes. Nothing there outlives the
    machine, so nothing waits for the disk."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._worker = ThreadPoolExecutor(1, "databases")
        self._dropped: list[Future[None]] = []
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        self._next = self._worker.submit(self._copied)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The DSN of a copy that nobody else has; it is dropped afterwards."""
        taken, self._next = self._next, self._worker.submit(self._copied)
        name = taken.result()
        yield with_database(self._server, name)
        self._dropped.append(self._worker.submit(self._execute, _DROP, name))

    def close(self) -> None:
        """Waits until all is dropped; fails if something could not be."""
        self._worker.shutdown()
        for dropped in self._dropped:
            dropped.result()

    def _copied(self) -> str:
        name = f"test_{uuid4().hex}"
        self._execute(_COPY, name, self._template)
        return name

    def _execute(self, statement: sql.SQL, *names: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.format(*map(sql.Identifier, names)))
