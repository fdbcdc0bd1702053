"""What the trainings of the base do alike: steps until the budget is spent, a moving average of the weights, and a
checkpoint from which a later run goes on as if it had never stopped.

What is learned from what is the business of `train_codec`, `train_vocoder` and `train_denoiser`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from training.base import checkpoint
from training.base.budget import Budget
from training.base.checkpoint import Average

LOG_EVERY = 100

F = TypeVar("F", bound=Callable[..., Any])


class Schedule(Protocol):
    """What every training of the recipe says."""

    @property
    def steps(self) -> int:
        """At most."""
        ...

    @property
    def seconds(self) -> float | None:
        """At most; None = as long as the steps take."""
        ...

    @property
    def ema(self) -> float:
        """Decay of the moving average."""
        ...

    @property
    def clip_norm(self) -> float:
        """Longest gradient."""
        ...

    @property
    def save_every(self) -> int:
        """Steps between checkpoints."""
        ...


class Trainer(ABC):
    """A module, its optimiser and a budget; `train` runs to the last step.

    Attributes:
        step: steps taken, those of earlier runs counted.
    """

    def __init__(self, module: nn.Module, optimiser: torch.optim.Optimizer, schedule: Schedule, path: Path) -> None:
        self.module, self.optimiser, self.schedule, self.path = module, optimiser, schedule, path
        self.average = Average(module, schedule.ema)
        self.step = 0
        self.budget = Budget(schedule.steps, schedule.seconds)
        state = checkpoint.load(path)
        if state is None:
            self.begin()
        else:
            self._resume(state)

    @abstractmethod
    def loss(self, done: float) -> Tensor:
        """Of one batch, which follows from the number of the step; `done` is the share of the budget that is spent."""

    @abstractmethod
    def learning_rate(self, done: float) -> float:
        """Of this step."""

    def begin(self) -> None:  # noqa: B027 (most have nothing to do)
        """What a training that was never started before does first."""

    def extra(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside weights: nothing, where a training does not say otherwise."""
        return {}

    def train(self) -> None:
        """Runs all steps that are left."""
        losses = list[Tensor]()
        while (done := self.budget.share(self.step)) < 1:
            losses.append(self.one_step(done))
            if self.step % LOG_EVERY == 0:
                mean = float(torch.stack(losses[-LOG_EVERY:]).mean())
                print(f"{self.path.stem} step {self.step} loss {mean:.4f} after {self.budget.spent:.0f} s", flush=True)
            if self.step % self.schedule.save_every == 0:
                self.save()
        self.save()

    def one_step(self, done: float) -> Tensor:
        """Takes a step; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(done)
        loss = self.loss(done)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.clip_norm)
        self.optimiser.step()
        self.average.update(self.module)
        self.step += 1
        return loss.detach()

    def save(self) -> None:
        """Writes the checkpoint."""
        checkpoint.save(self.path, {
            "step": self.step,
            "seconds": self.budget.spent,
            "model": self.module.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
            "extra": self.extra(),
        })  # fmt: skip

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.budget = Budget(self.schedule.steps, self.schedule.seconds, state["seconds"])
        self.module.load_state_dict(state["model"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def generator(seed: int, *stream: int) -> np.random.Generator:
    """The random numbers of one step."""
    return np.random.default_rng([seed, *stream])


def compiled(function: F, device: str) -> F:
    """The function, fused where there is a GPU: steps of a small model are mostly spent on starting kernels."""
    return cast("F", torch.compile(function)) if device == "cuda" else function


def default_device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
