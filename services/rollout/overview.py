"""Releases as an operator reads them; it changes nothing."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.postgres import Pool, load_queries, transaction

MOST: Final = 50


class Overview:
    """Raises BackendAway while Postgres cannot be reached."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).with_name("overview.sql"))

    def releases(self) -> list[dict[str, Any]]:
        """The newest first, at most `MOST`, each with the reason of its last decision."""
        return self._rows("releases", limit=MOST)

    def release(self, release_id: UUID) -> dict[str, Any]:
        """One release with its decisions; ValueError if there is none."""
        rows = self._rows("release", release_id=release_id)
        if not rows:
            raise ValueError(f"There is no release {release_id}.")
        return {**rows[0], "decisions": self._rows("decisions", release_id=release_id)}

    def _rows(self, name: str, **values: object) -> list[dict[str, Any]]:
        with transaction(self._pool) as connection:
            return connection.execute(self._queries[name], values).fetchall()
