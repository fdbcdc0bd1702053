"""Clips to a codec: a variational autoencoder on log-mels.

    python -m training.base.train_codec [--steps N] [--seconds S]

Resumes from `codec.pt` in the working folder. Not the last stage: `train_decoder` goes on with the decoder alone, and
Griffin-Lim finds the phases.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.engine.bases.shipped.codec import Codec
from training.base import checkpoint
from training.base.budget import Budget
from training.base.checkpoint import Average
from training.base.command import prepared
from training.base.config import CodecTraining, Recipe
from training.base.render import read_clips

LOG_EVERY = 100
SAVE_EVERY = 500
STATISTICS_CLIPS = 256


class Crops:
    """Random pieces of clips at random gains, a fixed share of them from recordings."""

    def __init__(self, clips: NDArray[np.int16], abouts: list[dict[str, Any]], recipe: Recipe, device: str) -> None:
        self.config, self.device = recipe.train_codec, device
        self.clips = torch.from_numpy(clips).to(device)
        self.places = torch.arange(self.config.mel_frames * recipe.codec.mel.hop, device=device)
        recorded = np.array(["recording" in about for about in abouts])
        self.pools = [np.flatnonzero(recorded == kind) for kind in (False, True)]

    def draw(self, rng: np.random.Generator) -> Tensor:
        """A batch [batch, samples]; the same generator gives the same."""
        batch, room = self.config.batch, self.clips.shape[1] - len(self.places)
        low, high = np.log(self.config.gain_range)
        drawn = (
            chosen(self.pools, self.config.recording_share, batch, rng),
            rng.integers(room, size=batch),
            np.exp(rng.uniform(low, high, batch)).astype(np.float32),
        )
        rows, starts, gains = (torch.from_numpy(each).to(self.device) for each in drawn)
        pieces = self.clips[rows[:, None], starts[:, None] + self.places]
        scaled: Tensor = pieces.float() * (gains[:, None] / 32768)
        return scaled


def chosen(pools: list[NDArray[np.int64]], share: float, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of `count` clips, this share of them from the second pool; all from one where the other is empty."""
    first, second = pools
    from_second = rng.random(count) < share if len(first) and len(second) else np.full(count, len(second) > 0)
    places = (rng.random(count) * np.where(from_second, len(second), len(first))).astype(np.int64)
    return np.concatenate(pools)[places + from_second * len(first)]


class CodecTrainer:
    """The codec, its optimiser and its data; `train` runs to the last step."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config, self.device = recipe, recipe.train_codec, device
        torch.manual_seed(recipe.seed)
        self.codec = Codec(recipe.codec).to(device)
        self.crops = Crops(*read_clips(recipe.work), recipe, device)
        parameters = self.codec.parameters()
        self.optimiser = torch.optim.AdamW(parameters, self.config.learning_rate, (0.9, 0.98))
        self.average = Average(self.codec, self.config.ema)
        self.path = recipe.work / "codec.pt"
        self.step = 0
        self.budget = Budget(self.config.steps, self.config.seconds)
        state = checkpoint.load(self.path)
        if state is None:
            self._standardise()
        else:
            self._resume(state)

    def train(self) -> None:
        """Runs all steps that are left."""
        losses: list[Tensor] = []
        while self.budget.share(self.step) < 1:
            losses.append(self._one_step())
            if self.step % LOG_EVERY == 0:
                mean = float(torch.stack(losses[-LOG_EVERY:]).mean())
                print(f"step {self.step} loss {mean:.4f} after {self.budget.spent:.0f} s", flush=True)
            if self.step % SAVE_EVERY == 0:
                self._save()
        self._normalise()
        self._save()

    def _one_step(self) -> Tensor:
        self.optimiser.param_groups[0]["lr"] = self.config.learning_rate * cosine(self.budget.share(self.step))
        rng = np.random.default_rng([self.recipe.seed, self.step])
        mel = self.codec.mel(self.crops.draw(rng))
        loss = codec_loss(self.codec, mel, self.config)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.codec)
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def _normalise(self) -> None:
        """Sets mean and deviation of the averaged encoder's latents, which `encode` divides by."""
        averaged = Codec(self.recipe.codec).to(self.device)
        averaged.load_state_dict(self.codec.state_dict())
        checkpoint.apply_average(averaged, self.average.values)
        clips = _sample(self.crops.clips, self.device)
        latents = torch.cat([averaged.posterior_mean(averaged.mel(part)) for part in clips])
        self.codec.latent_mean.copy_(latents.mean((0, 1)))
        self.codec.latent_std.copy_(latents.std((0, 1)))

    @torch.no_grad()
    def _standardise(self) -> None:
        """Sets the per-band statistics that the autoencoder divides by."""
        mel = torch.cat([self.codec.mel(part) for part in _sample(self.crops.clips, self.device)])
        vae = self.codec.vae.vae
        vae.data_mean.copy_(mel.mean((0, 2))[None, :, None])
        vae.data_std.copy_(mel.std((0, 2))[None, :, None].clamp_min(0.3))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "seconds": self.budget.spent,
            "codec": self.codec.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self.path, state)

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.budget = Budget(self.config.steps, self.config.seconds, state["seconds"])
        self.codec.load_state_dict(state["codec"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def codec_loss(codec: Codec, mel: Tensor, config: CodecTraining) -> Tensor:
    """L1 of the log-mel and of its steps in time, and the KL term of the posterior."""
    moments = codec.vae.vae.encode(mel)
    mean, log_variance = moments.chunk(2, dim=1)
    log_variance = log_variance.clamp(-12, 4)
    latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    rebuilt = codec.vae.vae.decode(latent)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss: Tensor = mel_distance(rebuilt, mel, config.delta_weight) + config.kl_weight * divergence
    return loss


def mel_distance(rebuilt: Tensor, mel: Tensor, delta_weight: float) -> Tensor:
    """L1 of the log-mel and, weighted, of its steps in time."""
    level = (rebuilt - mel).abs().mean()
    change = (rebuilt.diff(dim=2) - mel.diff(dim=2)).abs().mean()
    return level + delta_weight * change


def trained_codec(recipe: Recipe, device: str) -> Codec:
    """`trained_encoder`, with the averaged decoder of `train_decoder` where that has run."""
    codec = trained_encoder(recipe, device)
    state = checkpoint.load(recipe.work / "decoder.pt")
    if state is not None:
        checkpoint.apply_average(codec.vae.vae.decoder, state["average"]["values"])
    return codec


def trained_encoder(recipe: Recipe, device: str) -> Codec:
    """The averaged codec of the checkpoint.

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
    codec.load_state_dict(state["codec"])
    checkpoint.apply_average(codec, state["average"]["values"])
    return codec.eval().requires_grad_(False).to(device)


def _sample(clips: Tensor, device: str) -> list[Tensor]:
    """Evenly spaced clips in small batches."""
    some = clips[:: max(1, len(clips) // STATISTICS_CLIPS)]
    return [part.to(device).float() / 32768 for part in torch.split(some, 16)]


def cosine(progress: float) -> float:
    """Share of the learning rate, from 1 down to 0.02 at progress 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def default_device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    """Command line."""
    CodecTrainer(prepared(__doc__, "train_codec"), default_device()).train()


if __name__ == "__main__":
    main()
