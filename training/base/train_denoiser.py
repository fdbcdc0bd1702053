"""Latents to a denoiser: rectified flow with prompt, style and context.

    python -m training.base.train_denoiser [--steps N] [--seconds S]

Resumes from `denoiser.pt` in the working folder. Not distributed: one CPU or one GPU.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from serving.engine.bases.shipped.checkpoint import build_transformer
from serving.engine.bases.shipped.conditions import Conditions
from training.base import checkpoint
from training.base.batches import Batch, Batches
from training.base.budget import Budget
from training.base.checkpoint import Average
from training.base.command import prepared
from training.base.config import DenoiserTraining, Recipe
from training.base.features import build
from training.base.train_codec import default_device

LOG_EVERY = 100


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


class DenoiserTrainer:
    """The denoiser, its optimiser and its data; `train` runs to the last step."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config, self.device = recipe, recipe.train_denoiser, device
        torch.manual_seed(recipe.seed)
        self.batches = Batches(build(recipe, device).to(device), self.config)
        self.model = Denoiser(recipe).to(device)
        groups = parameter_groups(self.model, self.config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        self.average = Average(self.model, self.config.ema)
        self.path = recipe.work / "denoiser.pt"
        self.step = 0
        self.budget = Budget(self.config.steps, self.config.seconds)
        state = checkpoint.load(self.path)
        if state is not None:
            self._resume(state)

    def train(self) -> None:
        """Runs all steps that are left."""
        losses: list[Tensor] = []
        while self.budget.share(self.step) < 1:
            losses.append(self._one_step())
            if self.step % LOG_EVERY == 0:
                mean = float(torch.stack(losses[-LOG_EVERY:]).mean())
                print(f"step {self.step} loss {mean:.4f} after {self.budget.spent:.0f} s", flush=True)
            if self.step % self.config.save_every == 0:
                self._save()
        self._save()

    def _one_step(self) -> Tensor:
        config, done = self.config, self.budget.share(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config, self.step, done)
        frames = config.short_frames if done < config.short_share else self.recipe.clips.frames
        rng = np.random.default_rng([self.recipe.seed, self.step])
        batch = self.batches.draw(frames, rng)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            loss = flow_loss(self.model, batch, config, rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimiser.step()
        self.average.update(self.model)
        self.step += 1
        return loss.detach()

    def _save(self) -> None:
        state = {
            "step": self.step,
            "seconds": self.budget.spent,
            "model": self.model.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self.path, state)

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.budget = Budget(self.config.steps, self.config.seconds, state["seconds"])
        self.model.load_state_dict(state["model"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def flow_loss(model: nn.Module, batch: Batch, config: Any, rng: np.random.Generator) -> Tensor:
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
