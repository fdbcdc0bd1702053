"""Two rollout processes never act at once: a lease in the database, renewed by every transaction of its owner.

An owner that is stopped or cut off loses it by the database's clock. When it goes on, its next transaction finds that
out before it reads or writes anything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID, uuid4

from services.errors import BackendAway
from services.postgres import Pool, load_queries, transaction
from services.rollout.registry import Registry

_QUERIES: Final = load_queries(Path(__file__).with_name("lease.sql"))
LEASE: Final = "lease"
ENDS_TURN: Final = frozenset({"postgres", LEASE})  # without these nothing more can be done in a turn


class NotLeading(BackendAway):
    """Another process may act now."""

    def __init__(self) -> None:
        super().__init__(LEASE, "Another rollout process has taken over.")


@dataclass(slots=True)
class Lease:
    """`lasts_s`: how long, in seconds, an owner that says nothing keeps it. All methods raise `BackendAway` while
    Postgres cannot be reached."""

    pool: Pool
    lasts_s: float
    owner: UUID = field(default_factory=uuid4)

    def take(self) -> bool:
        """Take or renew it; False while another process has it."""
        with transaction(self.pool) as connection:
            return connection.execute(_QUERIES["take"], self._row()).fetchone() is not None

    def require(self) -> None:
        """Raises NotLeading unless this process has it still; then it is renewed."""
        with transaction(self.pool) as connection:
            self.renew(connection)

    def renew(self, connection: Any) -> None:
        """The same as the first statement of a transaction, until whose end nobody else can take it."""
        if connection.execute(_QUERIES["renew"], self._row()).fetchone() is None:
            raise NotLeading

    def let_go(self) -> None:
        """The next process need not wait."""
        with transaction(self.pool) as connection:
            connection.execute(_QUERIES["let_go"], self._row())

    def _row(self) -> dict[str, Any]:
        return {"owner": self.owner, "lasts_s": self.lasts_s}


class _FencedPool:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with self._lease.pool.connection() as connection:
            self._lease.renew(connection)
            yield connection


def fenced(lease: Lease) -> Pool:
    """The lease's pool for its owner only: each transaction begins by renewing the lease, or raises NotLeading."""
    return cast("Pool", _FencedPool(lease))  # `transaction` asks for `connection` alone


class FencedRegistry:
    """A registry that only the lease's owner changes. A process that is stopped between the renewal and the move can
    still make that one move late; it is one that was decided."""

    def __init__(self, registry: Registry, lease: Lease) -> None:
        self._registry, self._lease = registry, lease

    def aliases(self, model: str) -> Mapping[str, int]:
        return self._registry.aliases(model)

    def point(self, model: str, alias: str, version: int) -> None:
        self._lease.require()
        self._registry.point(model, alias, version)

    def drop(self, model: str, alias: str) -> None:
        self._lease.require()
        self._registry.drop(model, alias)
