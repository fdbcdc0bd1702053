"""From a reference to verified tensors in the engine's pool. A version is immutable, so nothing here goes stale.

Three tiers: the pool, copies on a local disk where the blob store is remote, the blob store.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.cache import DiskCache
from serving.engine.adapters.controls import Controls
from serving.engine.adapters.files import Adapter, AdapterError, parse
from serving.engine.adapters.scorer import Scorer
from serving.engine.adapters.slots import AdapterKey, NoFreeSlotError
from serving.engine.engine import Engine
from serving.engine.refusals import StoppedError
from serving.errors import Refused, busy, refused

LOG = structlog.get_logger()


@dataclass(frozen=True)
class Lookup:
    """One adapter that was asked for: where it was found, and what reading it cost."""

    tier: Literal["memory", "disk", "store"]
    seconds: float = 0.0
    size: int = 0


def key_of(ref: AdapterRef) -> AdapterKey:
    """The name under which the engine keeps an adapter."""
    return AdapterKey(str(ref.listener_id), ref.version, ref.sha256)


class Registry:
    """Loads adapters when they are first asked for."""

    def __init__(
        self,
        blobs: Blobs,
        engine: Engine,
        readers: Executor,
        cache: DiskCache | None = None,
        observe: Callable[[Lookup], None] | None = None,
    ) -> None:
        """`observe` is told of every adapter that was found, on any thread."""
        self._blobs, self._engine, self._readers, self._cache = blobs, engine, readers, cache
        self._observe = observe
        self._loading: dict[AdapterKey, asyncio.Future[None]] = {}
        self._beside: OrderedDict[AdapterKey, Adapter] = OrderedDict()
        self._installing = threading.Lock()

    async def ensure(self, ref: AdapterRef) -> AdapterKey:
        """Makes an adapter resident; many requests for one adapter load it once.

        Raises:
            Refused: 422 the bytes are not what the reference says or do not fit this base, 404 or
                503 they cannot be read, 503 no slot is free.
        """
        self._require_base(ref)
        key = key_of(ref)
        if self._engine.resident(key):
            self._tell(Lookup("memory"))
            return key
        task = self._loading.get(key)
        if task is None:
            reading = asyncio.get_running_loop().run_in_executor(self._readers, self._install, ref)
            task = self._loading[key] = asyncio.ensure_future(reading)
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        # Shielded: one request that is cancelled must not take the load from the others.
        await asyncio.shield(task)
        return key

    def beside(self, ref: AdapterRef | None) -> tuple[Scorer | None, Controls | None]:
        """What a resident version holds beside its factors."""
        version = None if ref is None else self._beside.get(key_of(ref))
        return (None, None) if version is None else (version.scorer, version.controls)

    def preload(self, refs: Sequence[AdapterRef]) -> int:
        """Fills free slots with the last of these adapters that can be loaded; how many those are. Blocks."""
        free = self._engine.limits.slots - 1 - len(self._engine.state().resident)
        loaded = 0
        for ref in refs[max(0, len(refs) - free) :]:
            try:
                self._require_base(ref)
                self._install(ref)
                loaded += 1
            except Refused as refusal:
                LOG.info("adapter_not_preloaded", model_version=ref.model_version, code=refusal.problem.code)
        return loaded

    def forget(self, listeners: Collection[str]) -> bool:
        """Forgets these listeners' versions, and every copy on the disk, which does not say whose it is. Blocks.

        Returns:
            Whether none is left; one is that a track needs at this moment.

        Raises:
            OSError: the folder of copies cannot be read or written.
        """
        with self._installing:  # a version is there with all that it holds, or is not there
            forgotten = self._engine.forget(listeners)
            resident = set(self._engine.state().resident)
            for key in [key for key in self._beside if key.listener in listeners and key not in resident]:
                del self._beside[key]
        if self._cache is not None:
            self._cache.clear()
        return forgotten

    def _require_base(self, ref: AdapterRef) -> None:
        expected = self._engine.base.manifest.base_hash
        if ref.base_hash != expected:
            message = "The adapter was trained on another base."
            raise refused(422, "adapter_wrong_base", message, field="adapter", expected=expected)

    def _install(self, ref: AdapterRef) -> None:
        began = time.monotonic()
        copy = None if self._cache is None else self._cache.get(ref.sha256)
        data = self._blobs.read(ref.url, field="adapter") if copy is None else copy
        engine = self._engine
        try:
            adapter = parse(
                data,
                engine.shapes,
                engine.limits.rank,
                base_hash=engine.base.manifest.base_hash,
                sha256=ref.sha256 if copy is None else None,
                listener_id=str(ref.listener_id),
            )
            with self._installing:
                self._remember(key_of(ref), adapter)
                engine.install(key_of(ref), adapter.factors)
        except AdapterError as error:
            raise refused(422, f"adapter_{error.reason}", error.message, field="adapter") from error
        except (NoFreeSlotError, StoppedError):
            raise busy(1.0) from None
        self._tell(Lookup("store" if copy is None else "disk", time.monotonic() - began, len(data)))
        if copy is None and self._cache is not None:
            self._cache.put(data)

    def _remember(self, key: AdapterKey, version: Adapter) -> None:
        """As many as there are slots: a version that lost its slot is read again, and all that it holds."""
        if version.scorer is None and version.controls is None:
            return
        # The factors go to the pool; keeping them here as well would hold every version twice.
        self._beside[key] = replace(version, factors={})
        while len(self._beside) > self._engine.limits.slots:
            self._beside.popitem(last=False)

    def _tell(self, lookup: Lookup) -> None:
        if self._observe is not None:
            self._observe(lookup)
