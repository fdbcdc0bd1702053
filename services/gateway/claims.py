"""Which gateway makes which track, or has which duty: advisory locks of one Postgres session, so that a killed process
lets go of all at once and two replicas do not do the same. A pooler between must keep sessions."""

from typing import Any
from uuid import UUID

from services.errors import BackendAway
from services.postgres import AsyncPool, reaching


class Claims:
    def __init__(self, pool: AsyncPool) -> None:
        """`pool` is for these claims alone: its one connection is kept."""
        self._pool = pool
        self._session: Any = None

    async def take(self, what: UUID | str) -> bool:
        """False if another gateway has this track or duty.

        Raises:
            BackendAway: Postgres does not answer.
        """
        with reaching():
            session = await self._kept()
            cursor = await session.execute(
                "select pg_try_advisory_lock(hashtextextended(%s, 0)) as taken", (str(what),)
            )
            return bool((await cursor.fetchone())["taken"])

    async def release(self, track_id: UUID) -> None:
        """Lets go; a session that is gone has let go already."""
        try:
            with reaching():
                session = await self._kept()
                await session.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (str(track_id),))
        except BackendAway:
            return

    async def aclose(self) -> None:
        if self._session is not None:
            await self._pool.putconn(self._session)
            self._session = None

    async def _kept(self) -> Any:
        if self._session is not None and self._session.closed:
            await self.aclose()
        if self._session is None:
            self._session = await self._pool.getconn()
            await self._session.set_autocommit(True)
        return self._session
