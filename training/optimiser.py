"""AdamW over stacked adapters: every slot has its own step count, learning rate, clipping and veto.

`torch.optim.AdamW` keeps one step count a tensor, so a listener who joins late would get the wrong bias correction,
idle slots would drift by momentum and decay, and one listener's norm would clip another's gradient.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class SlotAdamW:
    """Decoupled weight decay (Loshchilov and Hutter, algorithm 2), slot by slot.

    Attributes:
        steps: updates that each slot has had [S].
        skipped: updates refused because a slot's gradient was not finite [S].
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        *,
        clip: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """Args:
        parameters: each [S, ...]; dimension 0 is the slot.
        clip: largest gradient norm of a slot, over all its parameters.
        """
        self._parameters = list(parameters)
        self._clip, self._betas, self._eps, self._decay = clip, betas, eps, weight_decay
        slots, device = self._parameters[0].shape[0], self._parameters[0].device
        self.steps = torch.zeros(slots, dtype=torch.int64, device=device)
        self.skipped = torch.zeros(slots, dtype=torch.int64, device=device)
        self._mean = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._square = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]

    @torch.no_grad()
    def step(self, active: Tensor, rate: Tensor) -> Tensor:
        """Updates the active slots whose gradient is finite, and forgets the gradients.

        Args:
            active: which slots had rows in this step, bool [S].
            rate: learning rate of each slot [S].

        Returns:
            Gradient norm of each slot before clipping [S].
        """
        norm = self._norms()
        active, rate = active.to(norm.device), rate.to(norm.device)
        applied = active & norm.isfinite()
        self.skipped += (active & ~applied).long()
        self.steps += applied.long()
        scale = torch.where(applied, (self._clip / norm.clamp(min=1e-12)).clamp(max=1.0), 0.0)
        for parameter, mean, square in zip(self._parameters, self._mean, self._square, strict=True):
            self._update(parameter, mean, square, applied, scale, rate)
            parameter.grad = None
        return norm

    def reset(self, slot: int) -> None:
        """Forgets a slot's past, for the next listener in it."""
        self.steps[slot] = self.skipped[slot] = 0
        for moment in (*self._mean, *self._square):
            moment[slot] = 0

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "skipped": self.skipped, "mean": self._mean, "square": self._square}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps.copy_(state["steps"])
        self.skipped.copy_(state["skipped"])
        for own, given in ((self._mean, state["mean"]), (self._square, state["square"])):
            for target, value in zip(own, given, strict=True):
                target.copy_(value)

    def _norms(self) -> Tensor:
        squares = [p.grad.flatten(1).square().sum(1) for p in self._parameters if p.grad is not None]
        return torch.stack(squares).sum(0).sqrt()

    def _update(
        self, parameter: Tensor, mean: Tensor, square: Tensor, applied: Tensor, scale: Tensor, rate: Tensor
    ) -> None:
        if parameter.grad is None:
            return
        wide = [-1] + [1] * (parameter.ndim - 1)
        first, second = self._betas
        count = self.steps.clamp(min=1).double()
        # Slots that sit this step out keep their moments: factor 1 on the old, 0 on the new.
        keep = applied.float().view(wide)
        gradient = torch.where(applied.view(wide), parameter.grad, 0.0) * scale.view(wide)
        mean.add_((gradient - mean) * keep, alpha=1 - first)
        square.add_((gradient.square() - square) * keep, alpha=1 - second)
        size = torch.where(applied, rate.double() / (1 - first**count), 0.0).float().view(wide)
        correction = (1 - second**count).sqrt().float().view(wide)
        parameter.mul_(torch.where(applied, 1 - rate * self._decay, 1.0).view(wide))
        parameter.sub_(size * mean / (square.sqrt() / correction + self._eps))
