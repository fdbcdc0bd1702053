"""AdamW over stacked adapters: every slot has its own step count, learning rate, clipping and veto.

`torch.optim.AdamW` keeps one step count a tensor, so a listener who joins late would get the wrong bias correction,
idle slots would drift by momentum and decay, and one listener's norm would clip another's gradient.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from serving.engine.adapters.pool import untouched_zeros


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
        self._mean, self._square = (
            [untouched_zeros(tuple(p.shape), p.dtype, device) for p in self._parameters] for _ in range(2)
        )

    @torch.no_grad()
    def step(self, active: Tensor, rate: Tensor) -> Tensor:
        """Updates the active slots whose gradient is finite, and forgets the gradients. What it costs follows the
        active slots alone, if gradients are sparse.

        Args:
            active: which slots had rows in this step, bool [S].
            rate: learning rate of each slot [S].

        Returns:
            Gradient norm of each active slot before clipping, 0 of the others [S].
        """
        slots = active.nonzero()[:, 0].to(self.steps.device)
        moved = [place for place, parameter in enumerate(self._parameters) if parameter.grad is not None]
        gradients = [self._parameters[place].grad.index_select(0, slots).to_dense() for place in moved]  # type: ignore[union-attr]
        squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
        norm = torch.stack(squares).sum(0).sqrt()
        finite = norm.isfinite()
        self.skipped[slots] += (~finite).long()
        self.steps[slots] += finite.long()
        scale = (self._clip / norm.clamp(min=1e-12)).clamp(max=1.0)[finite]
        applied = slots[finite]
        for place, gradient in zip(moved, gradients, strict=True):
            self._update(place, gradient[finite] * _wide(scale, gradient), applied, rate.to(slots.device)[applied])
        for parameter in self._parameters:
            parameter.grad = None
        return norm.new_zeros(len(active)).index_copy(0, slots, norm)

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

    def _update(self, place: int, gradient: Tensor, slots: Tensor, rate: Tensor) -> None:
        """One parameter's slots by their clipped gradients [slots, ...] and rates [slots]."""
        parameter, first, second = self._parameters[place], *self._betas
        count = self.steps[slots].double()
        mean = self._mean[place].index_select(0, slots).lerp_(gradient, 1 - first)
        square = self._square[place].index_select(0, slots).lerp_(gradient.square(), 1 - second)
        self._mean[place].index_copy_(0, slots, mean)
        self._square[place].index_copy_(0, slots, square)
        size = _wide((rate.double() / (1 - first**count)).float(), gradient)
        correction = _wide((1 - second**count).sqrt().float(), gradient)
        value = parameter.index_select(0, slots).mul_(_wide(1 - rate * self._decay, gradient))
        value.sub_(size * mean / (square.sqrt() / correction + self._eps))
        parameter.index_copy_(0, slots, value)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """One for each slot, in a shape that multiplies what slots hold [slots] -> [slots, 1, ...]."""
    return values.view([-1] + [1] * (like.ndim - 1))
