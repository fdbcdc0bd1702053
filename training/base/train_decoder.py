"""A trained codec to one with a sharper decoder, its encoder and so its latents unchanged.

    python -m training.base.train_decoder [--steps N]

First on L1 alone, then against a critic as well. Resumes from `decoder.pt` in the working folder. May run
beside `train_denoiser`, which sees only latents.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serving.engine.codec import Codec
from training.base import checkpoint
from training.base.checkpoint import Average
from training.base.command import prepared
from training.base.config import Recipe
from training.base.critic import Critic, critic_loss, deception, feature_distance
from training.base.render import read_clips
from training.base.train_codec import Crops, cosine, default_device, mel_distance, trained_encoder

LOG_EVERY = 50
SAVE_EVERY = 200


class DecoderTrainer:
    """The decoder, its critic, their optimisers and the data; `train` runs to the last step."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config = recipe, recipe.train_decoder
        torch.manual_seed(recipe.seed)
        self.codec: Codec = trained_encoder(recipe, device)
        self.decoder = self.codec.vae.vae.decoder.requires_grad_(True)
        self.critic = Critic().to(device)
        self.crops = Crops(*read_clips(recipe.work), recipe, device)
        self.optimiser = torch.optim.AdamW(self.decoder.parameters(), self.config.learning_rate, (0.8, 0.98))
        self.critic_optimiser = torch.optim.AdamW(self.critic.parameters(), self.config.critic_rate, (0.8, 0.98))
        self.average = Average(self.decoder, self.config.ema)
        self.path = recipe.work / "decoder.pt"
        self.step = 0
        state = checkpoint.load(self.path)
        if state is not None:
            self._resume(state)

    def train(self) -> None:
        """Runs all steps that are left."""
        began, seen = time.monotonic(), list[tuple[float, ...]]()
        while self.step < self.config.steps:
            seen.append(self._one_step())
            if self.step % LOG_EVERY == 0:
                pace = (time.monotonic() - began) / len(seen)
                losses = " ".join(f"{value:.4f}" for value in np.mean(seen[-LOG_EVERY:], 0))
                print(f"step {self.step} log-mel L1, features, critic {losses} {pace:.2f} s/step", flush=True)
            if self.step % SAVE_EVERY == 0:
                self._save()
        self._save()

    def _one_step(self) -> tuple[float, float, float]:
        progress = self.step / self.config.steps
        self.optimiser.param_groups[0]["lr"] = self.config.learning_rate * cosine(progress)
        rng = np.random.default_rng([self.recipe.seed, 1 << 22, self.step])
        mel = self.codec.mel(self.crops.draw(rng))
        with torch.no_grad():
            mean, log_variance = self.codec.vae.vae.encode(mel).chunk(2, dim=1)
            noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32)).to(mean)
            latent = mean + noise * (0.5 * log_variance.clamp(-12, 4)).exp()
        rebuilt = self.codec.vae.vae.decode(latent)
        loss = level = mel_distance(rebuilt, mel, self.recipe.train_codec.delta_weight)
        judged = distance = torch.zeros(())
        if progress >= self.config.critic_from:
            judged = self._train_critic(mel, rebuilt.detach())
            real, fake = self.critic(mel), self.critic(rebuilt)
            distance = feature_distance(real, fake)
            loss = level + self.config.critic_weight * deception(fake) + self.config.feature_weight * distance
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.decoder)
        self.step += 1
        return (rebuilt - mel).abs().mean().item(), distance.item(), judged.item()

    def _train_critic(self, mel: Tensor, rebuilt: Tensor) -> Tensor:
        loss = critic_loss(self.critic(mel), self.critic(rebuilt))
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        return loss.detach()

    def _save(self) -> None:
        checkpoint.save(self.path, {
            "step": self.step,
            "decoder": self.decoder.state_dict(),
            "average": self.average.state(),
            "critic": self.critic.state_dict(),
            "optimisers": [self.optimiser.state_dict(), self.critic_optimiser.state_dict()],
        })  # fmt: skip

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.decoder.load_state_dict(state["decoder"])
        self.average.restore(state["average"])
        self.critic.load_state_dict(state["critic"])
        for optimiser, saved in zip((self.optimiser, self.critic_optimiser), state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)


def main() -> None:
    """Command line."""
    DecoderTrainer(prepared(__doc__, "train_decoder"), default_device()).train()


if __name__ == "__main__":
    main()
