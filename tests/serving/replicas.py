"""The real ingress over real replicas on a tiny base, in this process and without Ray."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

from fastapi.testclient import TestClient

from schemas.base import Problem
from schemas.engine_token import headers
from schemas.generation import GenerationRequest, Progress
from schemas.registry import AdapterRef
from serving.app import Ingress
from serving.blobs import Blobs
from serving.deployment import Denoiser
from serving.engine.adapters.files import dump
from serving.engine.adapters.pool import Factors
from serving.engine.bases.base import Base
from serving.engine.bases.shipped.checkpoint import random_base
from serving.settings import Settings
from tests.serving.engine.parts import RANK, adapter

LISTENER = UUID("018f0000-0000-7000-8000-000000000001")
# The frozen encoders take seconds to load: once for all replicas.
ENCODERS = random_base(0)


def tiny_base(*_: object) -> Base:
    """In the place of `load_base`."""
    return replace(random_base(0), text=ENCODERS.text, style=ENCODERS.style)


TOKEN = "a-token-of-these-tests"


class Call:
    """A call of one replica that runs when it is awaited or iterated, and can be cancelled."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __await__(self) -> Any:
        return self._answer.__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        lines: AsyncIterator[Any] = aiter(self._answer)
        return lines

    async def get_async(self) -> Any:
        return await self

    def cancel(self) -> None:
        """What is not iterated any more is closed by the event loop."""


class Calls:
    """A call of all replicas."""

    def __init__(self, calls: list[Any]) -> None:
        self._calls = calls

    async def _fetch_replica_results_async(self) -> list[Any]:
        return self._calls


class Replicas:
    """What Ray's handle does, for replicas in this process; the first takes every single request."""

    def __init__(self, replicas: list[Denoiser]) -> None:
        self.replicas = replicas

    def options(self, **_: object) -> "Replicas":
        return self

    def broadcast(self, method: str, *arguments: object) -> Calls:
        return Calls([Call(getattr(replica, method)(*arguments)) for replica in self.replicas])

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: Call(getattr(self.replicas[0], method)(*arguments)))


def settings(folder: Path, **changes: Any) -> Settings:
    """Of a small engine with its store in the folder."""
    fields = {
        "store_url": (folder / "store").as_uri(),
        "engine_token": TOKEN,
        "log_level": "error",
        "engine_rows": 4,
        "engine_slots": 4,
    }
    return Settings.model_validate(fields | {"engine_rank": RANK} | changes)


@contextmanager
def replica(of: Settings) -> Iterator[Denoiser]:
    """One started replica."""
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id=uuid4().hex[:8]))
    tiny = patch("serving.engine.bases.load.load_base", tiny_base)
    with tiny, patch("ray.serve.get_replica_context", return_value=context):
        started = Denoiser(of)
    try:
        yield started
    finally:
        started._engine.stop(drain_s=0)


@contextmanager
def served(of: Settings, *replicas: Denoiser) -> Iterator[TestClient]:
    """The ingress's routes, with these replicas behind them."""
    web = Ingress(Replicas(list(replicas)), of, "mark").web()
    with TestClient(web, headers=headers(TOKEN)) as client:
        yield client


def adapter_file(version: int, factors: Factors | None = None, base_hash: str | None = None) -> bytes:
    """An adapter of the tiny base."""
    base = random_base(0)
    of_base = base_hash or base.manifest.base_hash
    return dump(factors or adapter(base, version), base_hash=of_base, snapshot_sha256="0" * 64, steps=1)


def stored(of: Settings, version: int, data: bytes, listener: UUID = LISTENER) -> AdapterRef:
    """Puts an adapter file into the store and names it."""
    digest = hashlib.sha256(data).hexdigest()
    url = f"{of.store_url}/adapters/{listener}/{digest}.safetensors"
    Blobs(of.store_url).write(url, data)
    base_hash = random_base(0).manifest.base_hash
    return AdapterRef(listener_id=listener, version=version, url=url, sha256=digest, base_hash=base_hash)


def published(client: TestClient, *refs: AdapterRef) -> list[str | None]:
    """Publishes over HTTP; for each the code of what is wrong with it, or None."""
    answer = client.post("/adapters", json=[ref.model_dump(mode="json") for ref in refs])
    assert answer.status_code == 200
    return [entry["problem"] and entry["problem"]["code"] for entry in answer.json()["adapters"]]


def track(client: TestClient, of: Settings, adapter: AdapterRef | None = None, **wish: object) -> list[Progress]:
    """Asks for a short track and reads the answer to its end."""
    track_id = uuid4()
    listener = LISTENER if adapter is None else adapter.listener_id
    fields = {"track_id": track_id, "listener_id": listener, "arm": "champion", "seconds": 2.0, "seed": 1}
    fields |= {"adapter": adapter, "destination": f"{of.store_url}/tracks/{track_id}"}
    request = GenerationRequest.model_validate(fields | wish)
    answer = client.post("/tracks", json=request.model_dump(mode="json"))
    if answer.status_code != 200:
        return [Progress(stage="failed", problem=Problem.model_validate(answer.json()))]
    return [Progress.model_validate_json(line) for line in answer.text.splitlines()]
