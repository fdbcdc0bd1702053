"""Latents to a denoiser: rectified flow with prompt, style and context.

    python -m training.base.train_denoiser [--steps N] [--seconds S]

Resumes from `denoiser.pt` in the working folder. Not distributed: one CPU or one GPU.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from serving.engine.bases.shipped.checkpoint import build_transformer
from serving.engine.bases.shipped.conditions import Conditions
from training.base.batches import Batch, Batches
from training.base.command import prepared
from training.base.config import DenoiserTraining, Recipe
from training.base.features import build
from training.base.trainer import Trainer, compiled, default_device, generator


class Denoiser(nn.Module):
    """Transformer and conditions, trained together."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.transformer = build_transformer(recipe.transformer)
        self.conditions = Conditions(recipe.conditions)

    def forward(self, noisy: Tensor, time: Tensor, batch: Batch) -> Tensor:
        """Velocity [batch, frames, channels] at times [batch]."""
        velocity: Tensor = self.transformer(
            hidden_states=noisy,
            timestep=time,
            timestep_r=time,
            encoder_hidden_states=self.conditions(batch.prompt, batch.style),
            context_latents=self.conditions.context(batch.latents, batch.keep, batch.plan),
            return_dict=False,
        )[0]
        return velocity


class DenoiserTrainer(Trainer):
    """The denoiser and its data."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config, self.device = recipe, recipe.train_denoiser, device
        torch.manual_seed(recipe.seed)
        self.batches = Batches(build(recipe, device).to(device), self.config)
        model = Denoiser(recipe).to(device)
        self._forward = compiled(model, device)
        groups = parameter_groups(model, self.config.weight_decay)
        optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        super().__init__(model, optimiser, self.config, recipe.work / "denoiser.pt")

    def learning_rate(self, done: float) -> float:
        """See `learning_rate`."""
        return learning_rate(self.config, self.step, done)

    def loss(self, done: float) -> Tensor:
        """Of one batch of crops, short ones first."""
        frames = self.config.short_frames if done < self.config.short_share else self.recipe.clips.frames
        rng = generator(self.recipe.seed, self.step)
        batch = self.batches.draw(frames, rng)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            return flow_loss(self._forward, batch, self.config, rng)


def flow_loss(model: Callable[..., Tensor], batch: Batch, config: Any, rng: np.random.Generator) -> Tensor:
    """Mean squared error of the velocity at logit-normal times (Esser et al. 2024)."""
    rows, device = batch.latents.shape[0], batch.latents.device
    normal = rng.normal(config.time_mean, config.time_std, rows)
    times = torch.from_numpy(1 / (1 + np.exp(-normal))).float().to(device)
    source = torch.Generator(device).manual_seed(int(rng.integers(1 << 62)))
    noise = torch.randn(batch.latents.shape, generator=source, device=device)
    weight = times[:, None, None]
    noisy = (1 - weight) * batch.latents + weight * noise
    error: Tensor = model(noisy, times, batch) - (noise - batch.latents)
    return error.float().square().mean()


def learning_rate(config: DenoiserTraining, step: int, done: float) -> float:
    """Linear warm-up over the first steps, and a cosine down to the final rate over the share that is done."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    fall = 0.5 * (1 + math.cos(math.pi * done))
    return warm * (config.final_rate + (config.learning_rate - config.final_rate) * fall)


def parameter_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Matrices decay, vectors and tables do not."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]


def main() -> None:
    """Command line."""
    DenoiserTrainer(prepared(__doc__, "train_denoiser"), default_device()).train()


if __name__ == "__main__":
    main()
