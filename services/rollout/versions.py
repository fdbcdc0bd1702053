"""Adapter versions as an operator sees and moves them, one listener at a time; canaries are moved by `control`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.registry import CHAMPION, PREVIOUS, model_name
from services.postgres import Pool, load_queries, transaction
from services.rollout.operating import Wish, act
from services.rollout.registry import Registry

MOST = 1000


@dataclass(frozen=True, slots=True)
class Served:
    """What a listener is served: versions, None where there is none, and whether an operator holds them there."""

    champion: int | None
    previous: int | None
    pinned: bool = False

    def __str__(self) -> str:
        """As an operator reads it."""
        before = "none" if self.previous is None else self.previous
        return f"champion {self.champion}, previous {before}{', pinned' if self.pinned else ''}"


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

    def move(self, wish: Wish) -> Served:
        """What the wish makes of what its listener is served; a wish that changes nothing is not noted again.

        Raises:
            ValueError: no such version, or it is played no more, or there is none before, or the listener is in a
                canary.
        """
        if wish.listener_id is None:
            raise ValueError(f"{wish.action} needs a listener.")
        with transaction(self._pool) as connection:
            now = self._now(connection, wish.listener_id)
            wanted = self._wanted(connection, wish, now)
            if wanted != now:
                self._serve(connection, wish.listener_id, wanted)
                act(connection, wish)
        return self._aliased(wish.listener_id, wanted)

    def _wanted(self, connection: Any, wish: Wish, now: Served) -> Served:
        if wish.action == "serve_previous":
            if now.previous is None:
                raise ValueError(f"Listener {wish.listener_id} has no version before.")
            return Served(now.previous, now.champion, now.pinned)
        if wish.action == "unpin":
            if now.champion is None:
                raise ValueError(f"Listener {wish.listener_id} is not pinned.")
            return Served(now.champion, now.previous)
        ids = {"listener_id": wish.listener_id, "version": wish.version}
        if connection.execute(self._queries["playable_version"], ids).fetchone() is None:
            raise ValueError(f"Listener {wish.listener_id} has no version {wish.version} that may be played.")
        previous = now.previous if now.champion == wish.version else now.champion
        return Served(wish.version, previous, now.pinned or wish.action == "pin")

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
