"""What is killed by `kills`: an erasure, an export, a rotation of keys, each whole in one process."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from services.aggregator.eraser import Eraser
from services.gateway.blobs import Blobs
from services.gateway.erasures import forget_at_hand
from services.gateway.exports import Export
from services.gateway.store import Store
from services.postgres import open_async_pool, open_pool
from services.principals.keys import BETWEEN_S, load, rotated, save
from services.rollout.erasing import erase as erase_in_rollout
from tests.benchmarks.erasure import asked, gone_on
from tests.services.rollout.memory_registry import MemoryRegistry
from training.blobs import Blobs as FactoryBlobs
from training.erasing import erase as erase_in_factory
from training.store import Store as FactoryStore


def erasure(dsn: str, store_url: str, folder: str, who: UUID) -> None:
    """All steps of an erasure but those of MLflow and Kafka, asked for and gone on with."""
    asyncio.run(asked(dsn, who))
    asyncio.run(gone_on(dsn, store_url))
    with open_pool(dsn) as pool:
        Eraser(pool, threading.Event()).turn()
        erase_in_rollout(pool, MemoryRegistry())
    with FactoryStore(dsn) as store:
        erase_in_factory(store, FactoryBlobs(store_url), Path(folder))
    asyncio.run(gone_on(dsn, store_url))
    asyncio.run(forgotten(dsn))


class Forgetful:
    """An engine that keeps nothing."""

    async def forget(self, listeners: Sequence[UUID]) -> None:
        """There is nothing to forget."""


async def forgotten(dsn: str) -> None:
    async with open_async_pool(dsn, size=1) as pool:
        await forget_at_hand(Store(pool), Forgetful())


def export(dsn: str, store_url: str, who: UUID, target: str) -> None:
    """An archive, written as it comes."""

    async def written() -> None:
        async with open_async_pool(dsn, size=1) as pool:
            archive = Export(Store(pool), Blobs(store_url), store_url, who)
            async for piece in archive.pieces(listener="{}"):
                file.write(piece)

    with Path(target).open("wb", buffering=0) as file:
        asyncio.run(written())


def rotation(file: str) -> None:
    """One rotation, so much later that it is not refused."""
    path = Path(file)
    keys = load(path)
    save(path, rotated(keys, keys.keys[-1].made_at + 2 * BETWEEN_S))
