"""Small parts for the engine's tests: a tiny base, jobs, adapters. Nothing here is trained."""

import threading
from collections.abc import Callable

import torch
from torch import Tensor

from serving.engine.adapters.pool import Factors, targets
from serving.engine.adapters.slots import AdapterKey
from serving.engine.bases.base import Base
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.music.noise import fresh
from serving.engine.params import Job, Limits, StepReport
from serving.engine.schedule import sampling

RANK = 4
WAIT_S = 300


def adapter(base: Base, seed: int, rank: int = RANK) -> Factors:
    """Random factors on every target, strong enough to be heard."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator) * 0.2

    shapes = targets(base.transformer)
    return {name: (draw(s.features_in, rank), draw(rank, s.features_out)) for name, s in shapes.items()}


def key(number: int) -> AdapterKey:
    """One adapter version's name."""
    return AdapterKey(f"listener-{number}", 1, f"{number:064x}")


def job(
    seed: int, *, frames: int = 16, steps: int = 4, guidance: float = 3.0, adapter: AdapterKey | None = None,
    listener: str = "", deadline: float | None = None, given: bool = True,
) -> Job:  # fmt: skip
    """A sampling job that depends on its seed alone; `given` = with prompt and style."""
    generator = torch.Generator().manual_seed(seed)
    prompt, style = torch.randn(24, 384, generator=generator), torch.randn(200, generator=generator)
    return Job(
        listener or f"listener-{seed}",
        fresh(seed, frames, 8),
        sampling(steps, 3.0),
        prompt * given,
        style * given,
        guidance,
        adapter,
        deadline,
    )


class Gate:
    """Holds the step loop after each forward until it is opened, so that tests decide who meets whom."""

    def __init__(self) -> None:
        self._open, self.reached = threading.Event(), threading.Semaphore(0)
        self.reports: list[StepReport] = []

    def __call__(self, report: StepReport) -> None:
        self.reports.append(report)
        self.reached.release()
        assert self._open.wait(WAIT_S)

    def open(self) -> None:
        self._open.set()


def engine(limits: Limits | None = None, observe: Callable[[StepReport], None] | None = None) -> Engine:
    """An engine on the tiny base, not started."""
    return Engine(random_base(0), limits or Limits(rows=8, queue=64, slots=8, rank=RANK), observe=observe)


def result(of: Engine, what: Job) -> Tensor:
    """Submits and waits."""
    return of.submit(what).future.result(WAIT_S)
