"""Checkpoints that are either whole or absent, and the moving average of weights.

Not for shipping: `ship` turns a checkpoint into a base.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` beside `path` and then moves it there in one step."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The saved state, or None where nothing was saved yet."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.values = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes one step; early steps weigh more, so that the random start is forgotten."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        targets = list(self.values.values())
        torch._foreach_lerp_(targets, [p.detach() for p in module.parameters()], 1 - decay)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"steps": self.steps, "values": self.values}

    def restore(self, state: dict[str, Any]) -> None:
        """Continues a saved average."""
        self.steps = state["steps"]
        for name, value in state["values"].items():
            self.values[name].copy_(value)


def apply_average(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Puts averaged parameters into a module."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(values[name])
