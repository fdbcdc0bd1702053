"""The engine as a Ray Serve deployment: one replica is one process with one engine.

Not an ingress: it is called through a handle, routed by the listener. Requests only enqueue and
wait, so Ray's batching and multiplexing have no part in it (both would split batches by adapter).
Importing this module imports no torch: the driver and the ingress stay light.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from schemas.base import Problem
from schemas.generation import ForgetRequest, GenerationRequest, Progress, PromptRequest, SongFacts, SongRequest
from schemas.registry import AdapterRef, model_name
from serving.alive import repeated
from serving.errors import Refused
from serving.settings import Settings
from serving.telemetry import configure_logging

if TYPE_CHECKING:
    from serving.cache import DiskCache
    from serving.engine.hardware.kept import Hardware
    from serving.engine.params import Job

LOG = structlog.get_logger()
PROBE_FRAMES = 32
# Adapters that `status` names, of thousands.
SHOWN = 5
# How often within `engine_stuck_s` a track is told of while nothing changes: whoever hears nothing for that long may
# take the replica for stuck.
REPEATS = 4


@dataclass(frozen=True)
class Refusal:
    """A `Refused` as a value: what crosses from replica to ingress."""

    status: int
    problem: Problem
    retry_after_s: float | None


class Denoiser:
    """Loads the base, starts the engine, and answers what the ingress passes on."""

    def __init__(self, settings: Settings) -> None:
        import torch
        from prometheus_client import CollectorRegistry
        from ray import serve

        from serving.engine.lean import load_libraries

        load_libraries(settings.base_folder)
        from serving.blobs import Blobs
        from serving.engine.bases.load import load_base
        from serving.engine.engine import Engine
        from serving.engine.hardware.kept import keep_rows
        from serving.engine.heap import keep_freed_memory
        from serving.engine.params import Limits
        from serving.metrics import EngineCollector, Metrics
        from serving.published import Published
        from serving.studio import Studio
        from serving.tracks import Tracks

        configure_logging("engine", settings.log_level)
        keep_freed_memory()
        self._settings = settings
        self._hardware, folder = hardware(settings)
        choice = self._hardware.choice
        LOG.info("hardware", **self._hardware.told())
        torch.set_num_threads(choice.engine_threads)
        self._repeat_s = settings.engine_stuck_s / REPEATS
        replica = serve.get_replica_context().replica_id.unique_id
        self._registry = CollectorRegistry()
        self._metrics = Metrics(self._registry, replica)
        base = load_base(settings.base_folder, settings.engine_device, getattr(torch, choice.engine_dtype))
        limits = Limits(choice.most_rows, settings.engine_queue, settings.engine_slots, settings.engine_rank)
        self._engine = Engine(base, limits, getattr(torch, choice.pool_dtype), observe=self._metrics.step)
        blobs = Blobs(settings.store_url)
        self._cache = _cache(settings) if blobs.remote else None
        self._registry.register(EngineCollector(replica, self._engine.state, self._cache))
        self._studio = Studio(base, self._engine, blobs, settings.engine_decoders, self._cache, self._metrics.adapter)
        self._tracks = Tracks(self._studio, settings.engine_deadline_s, settings.engine_seeds, self._metrics.made_again)
        if choice.engine_compile == "yes":
            # To be heard by the operator: it is the longest part of such a start.
            LOG.info("compiled", seconds=self._engine.compile())
        self._engine.start()
        if not choice.most_rows:
            keep_rows(self._hardware, folder, self._engine.state().cap)
        self._studio.warm_up()
        self._engine.probe(self._probe_job()).future.result(timeout=60)
        self._published = Published(blobs)
        # Beside the first requests: those load what they name themselves.
        self._preloading = threading.Thread(target=self._preload, name="preload", daemon=True)
        self._preloading.start()
        LOG.info("replica_ready", replica=replica, base_hash=base.manifest.base_hash)

    def _preload(self) -> None:
        from serving.audio import warm_up

        warm_up()
        loaded = self._studio.registry.preload(self._published.newest())
        LOG.info("adapters_preloaded", replica=self._metrics.replica, adapters=loaded)

    async def songs(self, request: SongRequest) -> SongFacts | Refusal:
        """Stores a song and its features."""
        from serving.songs import take_song

        outcome = "cancelled"
        try:
            facts = await take_song(self._studio, request)
            outcome = "done"
        except Refused as refusal:
            outcome = refusal.problem.code
            return Refusal(refusal.status, refusal.problem, refusal.retry_after_s)
        else:
            return facts
        finally:
            self._metrics.song(outcome)
            LOG.info("song", song_id=request.song_id, outcome=outcome)

    async def prompts(self, request: PromptRequest) -> Refusal | None:
        """What the text encoder has against a prompt, if anything."""
        try:
            await self._studio.check_prompt(request.prompt)
        except Refused as refusal:
            return Refusal(refusal.status, refusal.problem, refusal.retry_after_s)
        return None

    async def tracks(self, request: GenerationRequest) -> AsyncIterator[Progress | Refusal]:
        """Progress of one track; a `Refusal` ends it, and `done` does."""
        began = time.monotonic()
        outcome, silent = "cancelled", True
        try:
            async for progress in repeated(self._tracks.make(request), self._repeat_s, self._steps_on):
                if progress.stage == "done":
                    outcome = "done"
                if silent and (progress.ready_s or progress.stage == "done"):
                    silent = False
                    self._metrics.first_audio(request.arm, time.monotonic() - began)
                yield progress
        except Refused as refusal:
            outcome = refusal.problem.code
            yield Refusal(refusal.status, refusal.problem, refusal.retry_after_s)
        finally:
            seconds = time.monotonic() - began
            self._metrics.track(request.arm, outcome, seconds, request.seconds)
            LOG.info(
                "track", listener_id=request.listener_id, track_id=request.track_id, arm=request.arm,
                outcome=outcome, seconds=round(seconds, 3),
            )  # fmt: skip

    async def adapters(self, refs: list[AdapterRef]) -> list[Problem | None]:
        """Makes adapters resident ahead of their first request: None, or what is wrong, for each."""
        return list(await asyncio.gather(*(self._adapter(ref) for ref in refs)))

    async def forget(self, request: ForgetRequest) -> bool:
        """Keeps nothing of these listeners at hand; False while a track of theirs is made. What names nobody, such as
        features of songs, goes as a whole and is read again."""
        await asyncio.to_thread(self._preloading.join)
        self._tracks.forget()
        listeners = {str(each) for each in request.listeners}
        try:
            return await asyncio.to_thread(self._studio.registry.forget, listeners)
        except OSError as error:
            LOG.warning("adapter_cache_away", error=str(error))
            return False

    async def _adapter(self, ref: AdapterRef) -> Problem | None:
        try:
            await self._studio.registry.ensure(ref)
        except Refused as refusal:
            self._metrics.adapter_refused(refusal.problem.code)
            LOG.warning("adapter_refused", model_version=ref.model_version, code=refusal.problem.code)
            return refusal.problem
        return None

    async def status(self) -> dict[str, Any]:
        """What this replica does now, for an operator."""
        state = self._engine.state()
        last_used = state.resident[: -SHOWN - 1 : -1]
        return {
            "replica": self._metrics.replica,
            "pid": os.getpid(),
            "base_hash": self._engine.base.manifest.base_hash,
            "device": self._settings.engine_device,
            "dtype": self._hardware.choice.engine_dtype,
            "hardware": self._hardware.told(),
            "waiting": state.waiting,
            "jobs": state.jobs,
            "rows": state.rows,
            "most_rows": state.cap,
            "curve": [{"rows": point.rows, "seconds": point.seconds} for point in state.curve],
            "steps": state.steps,
            "step_seconds": state.step_seconds,
            "adapters": {
                "resident": len(state.resident),
                "slots": state.slots,
                "pinned": state.pinned,
                "loaded": state.loaded,
                "evicted": state.evicted,
                "last_used": [f"{model_name(UUID(key.listener))}/{key.version}" for key in last_used],
            },
        }

    async def metrics(self) -> bytes:
        """This replica's metrics in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    async def check_health(self) -> None:
        """Raises when the step loop is stuck or cannot denoise; Serve then replaces the replica."""
        if not self._steps_on():
            raise RuntimeError("the step loop is stuck")
        ticket = self._engine.probe(self._probe_job())
        await asyncio.wait_for(asyncio.wrap_future(ticket.future), self._settings.engine_stuck_s)

    def _steps_on(self) -> bool:
        return self._engine.quiet_seconds() <= self._settings.engine_stuck_s

    def __del__(self) -> None:
        """Serve calls this when a replica leaves, after its requests have ended."""
        if hasattr(self, "_engine"):
            self._engine.stop(drain_s=0)

    def _probe_job(self) -> "Job":
        from serving.engine.music.noise import fresh
        from serving.engine.params import Job
        from serving.engine.schedule import sampling
        from serving.studio import absent

        base = self._engine.base
        start = fresh(0, PROBE_FRAMES, base.codec.latent_channels)
        prompt, style = absent(*base.conditions.prompt_shape), absent(base.conditions.style_size)
        return Job("probe", start, sampling(1, 1.0), prompt, style)


def hardware(settings: Settings) -> "tuple[Hardware, Path]":
    """How this machine is used, with what the settings force in its place; and the folder where that is kept."""
    import torch

    from serving.engine.hardware.kept import forced, known

    folder = settings.hardware_folder or Path(tempfile.gettempdir(), "encore-hardware")
    found = known(settings.base_folder, torch.device(settings.engine_device), folder)
    return forced(
        found,
        engine_dtype=settings.engine_dtype,
        pool_dtype=settings.engine_pool_dtype,
        engine_threads=settings.engine_threads,
        engine_compile=settings.engine_compile,
        most_rows=settings.engine_rows,
    ), folder


def _cache(settings: Settings) -> "DiskCache":
    from serving.cache import DiskCache

    folder = settings.engine_cache_folder or Path(tempfile.gettempdir(), "encore-adapters")
    return DiskCache(folder, settings.engine_cache_bytes)
