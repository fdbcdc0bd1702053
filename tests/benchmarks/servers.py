"""Four ways of serving tracks to many listeners, behind one door: our engine, and plain loops around a `Way`."""

import copy
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from serving.engine.adapters.slots import AdapterKey
from serving.engine.bases.base import Base
from serving.engine.engine import Engine
from serving.engine.music.noise import fresh
from serving.engine.params import Job, Limits
from serving.engine.schedule import sampling
from tests.benchmarks.peers import POOL_DTYPE, RANK, Rows, Way, adapter, weight_of
from tests.benchmarks.timing import settle

WAITING = 1_000


@dataclass(frozen=True, eq=False)
class Request:
    """One track of one listener."""

    listener: int
    job: Job


class Server(Protocol):
    """Takes requests at any time and answers each by a future."""

    def submit(self, request: Request) -> "Future[Tensor]":
        """Latents of the track [frames, channels]."""

    def close(self) -> None:
        """Ends its thread."""


class Ours:
    """The engine as it serves: rows join and leave at every step."""

    def __init__(self, base: Base, listeners: int, rows: int) -> None:
        base = replace(base, transformer=copy.deepcopy(base.transformer))
        limits = Limits(rows=rows, queue=WAITING, slots=listeners + 1, rank=RANK)
        self.engine = Engine(base, limits, POOL_DTYPE)
        for listener in range(listeners):
            self.engine.install(key(listener), adapter(base, listener))
        self.engine.start()

    def submit(self, request: Request) -> "Future[Tensor]":
        return self.engine.submit(request.job).future

    def close(self) -> None:
        self.engine.stop(drain_s=0)


class Static:
    """Takes what waits, up to `most` requests, and gives it all its steps before it looks again."""

    def __init__(self, base: Base, way: Way, most: int) -> None:
        self._base, self._way, self._most = base, way, most
        self._waiting: queue.Queue[tuple[Request, Future[Tensor]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> "Future[Tensor]":
        future: Future[Tensor] = Future()
        self._waiting.put((request, future))
        return future

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            taken = [first]
            while len(taken) < self._most and not self._waiting.empty():
                # Nothing else takes from the queue, and it is closed only when it is empty.
                if (more := self._waiting.get()) is not None:
                    taken.append(more)
            try:
                latents = denoise(self._base, self._way, [request for request, _ in taken])
            except Exception as error:  # noqa: BLE001 - the waiting side must hear of it
                for _, future in taken:
                    future.set_exception(error)
                continue
            for (_, future), one in zip(taken, latents, strict=True):
                future.set_result(one)


@torch.inference_mode()
def denoise(base: Base, way: Way, requests: list[Request]) -> Tensor:
    """All steps of requests of one length, path and guidance, as the engine computes them [requests, frames, ...]."""
    jobs, path = [request.job for request in requests], requests[0].job.path
    weight, rows = weight_of(base), jobs[0].rows
    prompts = torch.stack([job.prompt for job in jobs]).to(weight)
    styles = torch.stack([job.style for job in jobs]).to(weight)
    latents = torch.stack([job.start for job in jobs]).to(weight.device)
    tokens = base.conditions(prompts, styles)
    if rows == 2:
        tokens = torch.cat([tokens, base.conditions(prompts * 0, styles * 0)])
    way.choose([request.listener for request in requests] * rows)
    for time, delta in zip(path.times, path.deltas, strict=True):
        times = weight.new_full((len(tokens),), time)
        given = way.forward(Rows(latents.repeat(rows, 1, 1).to(weight), times, tokens)).float()
        velocity = given if rows == 1 else given[len(jobs) :].lerp(given[: len(jobs)], jobs[0].guidance)
        latents = latents + delta * velocity
    settle()
    return latents


def request(base: Base, listener: int, seed: int, seconds: float) -> Request:
    """A track with prompt and style under the base's sampling defaults: two rows a step."""
    defaults = base.manifest.sampling
    generator = torch.Generator().manual_seed(seed)
    job = Job(
        listener=str(listener),
        start=fresh(seed, base.codec.frames_for(seconds), base.codec.latent_channels),
        path=sampling(defaults.steps, defaults.shift),
        prompt=torch.randn(*base.conditions.prompt_shape, generator=generator),
        style=torch.randn(base.conditions.style_size, generator=generator),
        guidance=defaults.guidance,
        adapter=key(listener),
    )
    return Request(listener, job)


def key(listener: int) -> AdapterKey:
    """The only version of a listener's adapter."""
    return AdapterKey(str(listener), 1, f"{listener:064x}")
