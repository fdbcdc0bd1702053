"""A trained codec to one with a better decoder, its encoder and so its latents unchanged.

    python -m training.base.train_decoder [--steps N] [--seconds S]

Resumes from `decoder.pt` in the working folder. May run beside `train_denoiser`, which sees only latents. Not against
a critic: decision 0402.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from serving.engine.bases.shipped.codec import Codec
from training.base import checkpoint
from training.base.budget import Budget
from training.base.checkpoint import Average
from training.base.command import prepared
from training.base.config import Recipe
from training.base.render import read_clips
from training.base.train_codec import Crops, cosine, default_device, mel_distance, trained_encoder

LOG_EVERY = 100
SAVE_EVERY = 500


class DecoderTrainer:
    """The decoder, its optimiser and the data; `train` runs to the last step."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config = recipe, recipe.train_decoder
        self.codec: Codec = trained_encoder(recipe, device)
        self.decoder = self.codec.vae.vae.decoder.requires_grad_(True)
        self.crops = Crops(*read_clips(recipe.work), recipe, device)
        self.optimiser = torch.optim.AdamW(self.decoder.parameters(), self.config.learning_rate, (0.9, 0.98))
        self.average = Average(self.decoder, self.config.ema)
        self.path = recipe.work / "decoder.pt"
        self.step = 0
        self.budget = Budget(self.config.steps, self.config.seconds)
        state = checkpoint.load(self.path)
        if state is not None:
            self._resume(state)

    def train(self) -> None:
        """Runs all steps that are left."""
        seen = list[Tensor]()
        while self.budget.share(self.step) < 1:
            seen.append(self._one_step())
            if self.step % LOG_EVERY == 0:
                mean = float(torch.stack(seen[-LOG_EVERY:]).mean())
                print(f"step {self.step} log-mel L1 {mean:.4f} after {self.budget.spent:.0f} s", flush=True)
            if self.step % SAVE_EVERY == 0:
                self._save()
        self._save()

    def _one_step(self) -> Tensor:
        self.optimiser.param_groups[0]["lr"] = self.config.learning_rate * cosine(self.budget.share(self.step))
        rng = np.random.default_rng([self.recipe.seed, 1 << 22, self.step])
        mel = self.codec.mel(self.crops.draw(rng))
        with torch.no_grad():
            mean, log_variance = self.codec.vae.vae.encode(mel).chunk(2, dim=1)
            noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32)).to(mean)
            latent = mean + noise * (0.5 * log_variance.clamp(-12, 4)).exp()
        rebuilt = self.codec.vae.vae.decode(latent)
        self.optimiser.zero_grad(set_to_none=True)
        mel_distance(rebuilt, mel, self.recipe.train_codec.delta_weight).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.decoder)
        self.step += 1
        level: Tensor = (rebuilt - mel).abs().mean()
        return level.detach()

    def _save(self) -> None:
        checkpoint.save(self.path, {
            "step": self.step,
            "seconds": self.budget.spent,
            "decoder": self.decoder.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        })  # fmt: skip

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.budget = Budget(self.config.steps, self.config.seconds, state["seconds"])
        self.decoder.load_state_dict(state["decoder"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def main() -> None:
    """Command line."""
    DecoderTrainer(prepared(__doc__, "train_decoder"), default_device()).train()


if __name__ == "__main__":
    main()
