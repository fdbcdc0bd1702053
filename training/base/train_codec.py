"""Clips to a codec: a variational autoencoder on log-mels.

    python -m training.base.train_codec [--steps N]

Resumes from `codec.pt` in the working folder. Not adversarial: `train_decoder` sharpens what is blurred
here, and Griffin-Lim finds the phases.
"""

import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.engine.codec import Codec
from training.base import checkpoint
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
        self.clips, self.config, self.device = clips, recipe.train_codec, device
        self.length = self.config.mel_frames * recipe.codec.mel.hop
        recorded = np.array(["recording" in about for about in abouts])
        self.pools = [np.flatnonzero(recorded == kind) for kind in (False, True)]

    def draw(self, rng: np.random.Generator) -> Tensor:
        """A batch [batch, samples]; the same generator gives the same."""
        rows = []
        for _ in range(self.config.batch):
            real = rng.random() < self.config.recording_share
            clip = int(rng.choice(self.pools[real] if len(self.pools[real]) else self.pools[not real]))
            start = int(rng.integers(self.clips.shape[1] - self.length))
            low, high = np.log(self.config.gain_range)
            piece = self.clips[clip, start : start + self.length].astype(np.float32) / 32768
            rows.append(piece * np.exp(rng.uniform(low, high)))
        return torch.from_numpy(np.stack(rows).astype(np.float32)).to(self.device)


class CodecTrainer:
    """The codec, its optimiser and its data; `train` runs to the last step."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config, self.device = recipe, recipe.train_codec, device
        torch.manual_seed(recipe.seed)
        self.codec = Codec(recipe.codec).to(device)
        self.clips, abouts = read_clips(recipe.work)
        self.crops = Crops(self.clips, abouts, recipe, device)
        parameters = self.codec.parameters()
        self.optimiser = torch.optim.AdamW(parameters, self.config.learning_rate, (0.9, 0.98))
        self.average = Average(self.codec, self.config.ema)
        self.path = recipe.work / "codec.pt"
        self.step = 0
        state = checkpoint.load(self.path)
        if state is None:
            self._standardise()
        else:
            self._resume(state)

    def train(self) -> None:
        """Runs all steps that are left."""
        began, losses = time.monotonic(), []
        while self.step < self.config.steps:
            losses.append(self._one_step())
            if self.step % LOG_EVERY == 0:
                pace = (time.monotonic() - began) / len(losses)
                mean = np.mean(losses[-LOG_EVERY:])
                print(f"step {self.step} loss {mean:.4f} {pace:.3f} s/step", flush=True)
            if self.step % SAVE_EVERY == 0:
                self._save()
        self._save()

    def _one_step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * cosine(self.step / self.config.steps)
        rng = np.random.default_rng([self.recipe.seed, self.step])
        mel = self.codec.mel(self.crops.draw(rng))
        loss = codec_loss(self.codec, mel, self.config)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.codec)
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def _standardise(self) -> None:
        """Sets the per-band statistics that the autoencoder divides by."""
        mel = torch.cat([self.codec.mel(part) for part in _sample(self.clips, self.device)])
        vae = self.codec.vae.vae
        vae.data_mean.copy_(mel.mean((0, 2))[None, :, None])
        vae.data_std.copy_(mel.std((0, 2))[None, :, None].clamp_min(0.3))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "codec": self.codec.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self.path, state)

    def _resume(self, state: dict[str, object]) -> None:
        self.step = int(state["step"])  # type: ignore[call-overload]
        self.codec.load_state_dict(state["codec"])  # type: ignore[arg-type]
        self.average.restore(state["average"])  # type: ignore[arg-type]
        self.optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]


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
    """The averaged codec of the checkpoint, its latents normalised over the clips.

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
    codec = codec.eval().requires_grad_(False).to(device)
    clips, _ = read_clips(recipe.work)
    latents = [codec.posterior_mean(codec.mel(part)) for part in _sample(clips, device)]
    codec.latent_mean.copy_(torch.cat(latents).mean((0, 1)))
    codec.latent_std.copy_(torch.cat(latents).std((0, 1)))
    return codec


def _sample(clips: NDArray[np.int16], device: str) -> list[Tensor]:
    """Evenly spaced clips in small batches."""
    step = max(1, len(clips) // STATISTICS_CLIPS)
    audio = [torch.from_numpy(clip.astype(np.float32) / 32768) for clip in clips[::step]]
    return [torch.stack(audio[i : i + 16]).to(device) for i in range(0, len(audio), 16)]


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
