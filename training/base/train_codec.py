"""Clips to a codec: a variational autoencoder on log-mels.

    python -m training.base.train_codec [--steps N] [--seconds S]

Resumes from `codec.pt` in the working folder. Not the sound: `train_vocoder` finds the phases.
"""

import math
from typing import Any

import torch
from torch import Tensor

from serving.engine.bases.shipped.codec import Codec
from training.base import checkpoint
from training.base.command import prepared
from training.base.config import Recipe
from training.base.crops import Crops
from training.base.render import read_clips
from training.base.trainer import Trainer, compiled, default_device, generator

STATISTICS_CLIPS = 256


class CodecTrainer(Trainer):
    """The autoencoder of a codec."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config, self.device = recipe, recipe.train_codec, device
        torch.manual_seed(recipe.seed)
        self.codec = Codec(recipe.codec).to(device)
        samples = self.config.mel_frames * recipe.codec.mel.hop
        self.crops = Crops(*read_clips(recipe.work), recipe.crops, samples, device)
        self._autoencoder = autoencoder = self.codec.vae.vae
        self._loss = compiled(codec_loss, device)
        optimiser = torch.optim.AdamW(autoencoder.parameters(), self.config.learning_rate, (0.9, 0.98))
        super().__init__(autoencoder, optimiser, self.config, recipe.work / "codec.pt")

    def begin(self) -> None:
        """Sets the per-band statistics that the autoencoder divides by."""
        with torch.no_grad():
            mel = torch.cat([self.codec.mel(part) for part in self.crops.sample(STATISTICS_CLIPS)])
            self._autoencoder.data_mean.copy_(mel.mean((0, 2))[None, :, None])
            self._autoencoder.data_std.copy_(mel.std((0, 2))[None, :, None].clamp_min(0.3))

    def learning_rate(self, done: float) -> float:
        """A cosine over the whole training."""
        return self.config.learning_rate * cosine(done)

    def loss(self, done: float) -> Tensor:  # noqa: ARG002
        """Of one batch of crops."""
        with torch.no_grad():
            mel = self.codec.mel(self.crops.draw(self.config.batch, generator(self.recipe.seed, self.step)))
        return self._loss(self._autoencoder, mel, self.config.delta_weight, self.config.kl_weight)

    @torch.no_grad()
    def extra(self) -> dict[str, Tensor]:
        """Mean and deviation of the averaged encoder's latents, which `encode` divides by."""
        averaged = Codec(self.recipe.codec).to(self.device)
        averaged.vae.vae.load_state_dict(self.module.state_dict())
        checkpoint.apply_average(averaged.vae.vae, self.average.values)
        clips = self.crops.sample(STATISTICS_CLIPS)
        latents = torch.cat([averaged.posterior_mean(averaged.mel(part)) for part in clips])
        return {"latent_mean": latents.mean((0, 1)), "latent_std": latents.std((0, 1))}


def codec_loss(autoencoder: Any, mel: Tensor, delta_weight: float, kl_weight: float) -> Tensor:
    """L1 of the log-mel and of its steps in time, and the KL term of the posterior."""
    mean, log_variance = autoencoder.encode(mel).chunk(2, dim=1)
    log_variance = log_variance.clamp(-12, 4)
    rebuilt = autoencoder.decode(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    level = (rebuilt - mel).abs().mean()
    change = (rebuilt.diff(dim=2) - mel.diff(dim=2)).abs().mean()
    loss: Tensor = level + delta_weight * change + kl_weight * divergence
    return loss


def trained_codec(recipe: Recipe, device: str) -> Codec:
    """The averaged codec of the checkpoints, with an untrained vocoder where none was trained.

    Args:
        recipe: names the working folder and the codec's shape.
        device: where it is wanted.

    Raises:
        FileNotFoundError: no codec was trained in this working folder.
    """
    state = checkpoint.load(recipe.work / "codec.pt")
    if state is None:
        raise FileNotFoundError("no codec.pt: run training.base.train_codec first")
    codec = Codec(recipe.codec)
    codec.vae.vae.load_state_dict(state["model"])
    checkpoint.apply_average(codec.vae.vae, state["average"]["values"])
    codec.latent_mean.copy_(state["extra"]["latent_mean"])
    codec.latent_std.copy_(state["extra"]["latent_std"])
    vocoder = checkpoint.load(recipe.work / "vocoder.pt")
    if vocoder is not None:
        checkpoint.apply_average(codec.vocoder, vocoder["average"]["values"])
    return codec.eval().requires_grad_(False).to(device)


def cosine(progress: float) -> float:
    """Share of the learning rate, from 1 down to 0.02 at progress 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def main() -> None:
    """Command line."""
    CodecTrainer(prepared(__doc__, "train_codec"), default_device()).train()


if __name__ == "__main__":
    main()
