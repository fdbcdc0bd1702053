"""What nobody fetches is removed again and again, by one gateway at a time."""

import asyncio
import os
import time
from pathlib import Path

import psycopg

from services.gateway.blobs import Blobs
from services.gateway.claims import Claims
from services.gateway.store import Store
from services.gateway.terms import Terms
from services.gateway.tidying import DUTY, tidy
from services.postgres import open_async_pool
from services.tasks import end
from tests.services.gateway.conftest import until
from tests.services.gateway.ledgers import MemoryLedger

KEPT = Terms(tracks_s=None)


def leave(root: Path) -> list[Path]:
    """An upload and a live part of hours ago."""
    left = [root / "incoming" / "upload", root / "live" / "track.0.pcm"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time() - 7200,) * 2)
    return left


async def gone(paths: list[Path]) -> None:
    await asyncio.to_thread(until, lambda: not any(path.exists() for path in paths))


def cut(dsn: str) -> None:
    """Ends the sessions that hold a claim, as the death of their process does."""
    with psycopg.connect(dsn) as connection:
        connection.execute("select pg_terminate_backend(pid, 60000) from pg_locks where locktype = 'advisory'")


def test_it_is_done_again_and_another_takes_over_when_the_holder_is_gone(postgres_dsn: str, tmp_path: Path) -> None:
    async def lived() -> None:
        blobs = Blobs(f"file://{tmp_path}")
        async with open_async_pool(postgres_dsn, size=1) as one, open_async_pool(postgres_dsn, size=1) as two:
            holder, other = Claims(one), Claims(two)
            working = asyncio.create_task(tidy(Store(one), blobs, holder, MemoryLedger(), KEPT, every_s=0.02))
            for _ in range(2):
                await gone(leave(tmp_path))
            assert not await other.take(DUTY)
            await end([working])
            cut(postgres_dsn)
            taking_over = asyncio.create_task(tidy(Store(two), blobs, other, MemoryLedger(), KEPT, every_s=0.02))
            await gone(leave(tmp_path))
            await end([taking_over])
            await holder.aclose()
            await other.aclose()

    asyncio.run(lived())


class AwayAtFirst(Blobs):
    asked = 0

    async def drop_abandoned(self) -> int:
        self.asked += 1
        if self.asked == 1:
            raise OSError("the store is away")
        return await super().drop_abandoned()


def test_a_store_that_is_away_only_puts_it_off(postgres_dsn: str, tmp_path: Path) -> None:
    async def lived() -> None:
        async with open_async_pool(postgres_dsn, size=1) as pool:
            claims = Claims(pool)
            working = asyncio.create_task(
                tidy(Store(pool), AwayAtFirst(f"file://{tmp_path}"), claims, MemoryLedger(), KEPT, every_s=0.02)
            )
            await gone(leave(tmp_path))
            await end([working])
            await claims.aclose()

    asyncio.run(lived())
