"""Adapter versions as an operator sees and moves them, one listener at a time; canaries are moved by `control`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.registry import CHAMPION, PREVIOUS, model_name
from services.postgres import Pool, load_queries, transaction
from services.rollout.registry import Registry

MOST = 1000


@dataclass(frozen=True, slots=True)
class Served:
    """What a listener is served: versions, None where there is none, and whether an operator holds them there."""

    champion: int | None
    previous: int | None
    pinned: bool = False


class Versions:
    """Raises BackendAway while Postgres or the registry cannot be reached.

    A move is stored first, which is what listeners hear; the registry's aliases follow. Where they could not, the same
    command again brings them there.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool, self._registry = pool, registry
        self._queries = load_queries(Path(__file__).with_name("versions.sql"))

    def all(self, listener_id: UUID | None = None) -> list[dict[str, Any]]:
        """Versions, each listener's newest first; at most `MOST`."""
        with transaction(self._pool) as connection:
            values = {"listener_id": listener_id, "limit": MOST}
            return connection.execute(self._queries["versions"], values).fetchall()

    def one(self, listener_id: UUID, version: int) -> dict[str, Any]:
        """One version; ValueError if there is none."""
        found = [row for row in self.all(listener_id) if row["version"] == version]
        if not found:
            raise ValueError(f"Listener {listener_id} has no version {version}.")
        return found[0]

    def promote(self, listener_id: UUID, version: int, *, pinned: bool | None = None) -> Served:
        """Let the listener hear this version from now on; `pinned` None leaves a pin as it is.

        Raises:
            ValueError: no such version, or the listener is in a canary.
        """
        with transaction(self._pool) as connection:
            ids = {"listener_id": listener_id}
            if connection.execute(self._queries["known_version"], {**ids, "version": version}).fetchone() is None:
                raise ValueError(f"Listener {listener_id} has no version {version}.")
            now = self._now(connection, listener_id)
            previous = now.previous if now.champion == version else now.champion
            served = Served(version, previous, now.pinned if pinned is None else pinned)
            self._serve(connection, listener_id, served)
        return self._aliased(listener_id, served)

    def roll_back(self, listener_id: UUID) -> Served:
        """Let the listener hear what they heard before; once more undoes it.

        Raises:
            ValueError: there is no version before, or the listener is in a canary.
        """
        with transaction(self._pool) as connection:
            now = self._now(connection, listener_id)
            if now.previous is None:
                raise ValueError(f"Listener {listener_id} has no version before.")
            served = Served(now.previous, now.champion, now.pinned)
            self._serve(connection, listener_id, served)
        return self._aliased(listener_id, served)

    def unpin(self, listener_id: UUID) -> Served:
        """Let the listener take part in canaries again; ValueError if nothing is known of them."""
        with transaction(self._pool) as connection:
            now = self._now(connection, listener_id)
            if now.champion is None:
                raise ValueError(f"Listener {listener_id} is not pinned.")
            served = Served(now.champion, now.previous)
            self._serve(connection, listener_id, served)
        return served

    def _now(self, connection: Any, listener_id: UUID) -> Served:
        row = connection.execute(self._queries["lock_models"], {"listener_id": listener_id}).fetchone()
        if row is None:
            return Served(None, None)
        if row["release_id"] is not None:
            raise ValueError(f"Listener {listener_id} is in the canary {row['release_id']}; decide that first.")
        return Served(row["champion_version"], row["previous_version"], row["pinned"])

    def _serve(self, connection: Any, listener_id: UUID, served: Served) -> None:
        row = {"champion": served.champion, "previous": served.previous, "pinned": served.pinned}
        connection.execute(self._queries["serve"], {"listener_id": listener_id, **row})

    def _aliased(self, listener_id: UUID, served: Served) -> Served:
        model = model_name(listener_id)
        for alias, version in ((PREVIOUS, served.previous), (CHAMPION, served.champion)):
            if version is not None:
                self._registry.point(model, alias, version)
        return served
