"""Clips to a vocoder: from log-mels, true ones and those that the codec rebuilds, back to the sound.

    python -m training.base.train_vocoder [--steps N] [--seconds S]

Resumes from `vocoder.pt` in the working folder. Runs before the codec is there as well, on true log-mels
alone, and beside `train_denoiser`, which sees only latents.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.engine.bases.shipped.codec import Codec
from training.base import checkpoint
from training.base.command import prepared
from training.base.config import Recipe
from training.base.crops import Crops
from training.base.render import read_clips
from training.base.train_codec import cosine, trained_codec
from training.base.trainer import Trainer, default_device, generator

# Long windows tell whether a tone goes on in phase, short ones whether an attack is sharp; hop = a quarter.
WINDOWS = (512, 1024, 2048, 4096, 8192)
STREAM = 1 << 22
# Of magnitudes, with windows of unit energy; music at the reference level has partials near 1.
QUIET = 3e-3
EPSILON = 1e-9


class VocoderTrainer(Trainer):
    """The vocoder of a codec whose autoencoder stays as it is."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self.recipe, self.config = recipe, recipe.train_vocoder
        torch.manual_seed(recipe.seed)
        is_there = checkpoint.load(recipe.work / "codec.pt") is not None
        self.codec = trained_codec(recipe, device) if is_there else Codec(recipe.codec).to(device)
        self.rebuilt_share = self.config.rebuilt_share if is_there else 0.0
        vocoder = self.codec.vocoder.train().requires_grad_(True)
        samples = self.config.mel_frames * recipe.codec.mel.hop
        self.crops = Crops(*read_clips(recipe.work), recipe.crops, samples, device)
        optimiser = torch.optim.AdamW(vocoder.parameters(), self.config.learning_rate, (0.8, 0.98))
        super().__init__(vocoder, optimiser, self.config, recipe.work / "vocoder.pt")

    def learning_rate(self, done: float) -> float:
        """A warm-up, then a cosine."""
        return self.config.learning_rate * cosine(done) * min(1.0, (self.step + 1) / self.config.warmup_steps)

    def loss(self, done: float) -> Tensor:  # noqa: ARG002
        """Of one batch: the spectra of the sound, and the magnitudes that the phases are walked from."""
        rng = generator(self.recipe.seed, STREAM, self.step)
        audio = self.crops.draw(self.config.batch, rng)
        mel = self._heard(audio, rng.random(self.config.batch) < self.rebuilt_share)
        sound = spectral_loss(self.codec.vocoder(mel), audio)
        return sound + self.config.magnitude_weight * self._magnitude_loss(mel, audio)

    @torch.no_grad()
    def _heard(self, audio: Tensor, rebuilt: NDArray[np.bool_]) -> Tensor:
        """Log-mels, those of some rows as the codec rebuilds them."""
        mel: Tensor = self.codec.mel(audio)
        if rebuilt.any():
            rows = torch.from_numpy(rebuilt).to(mel.device)
            mel[rows] = self.codec.decode_mel(self.codec.encode(audio[rows]))
        return mel

    def _magnitude_loss(self, mel: Tensor, audio: Tensor) -> Tensor:
        logarithm, _ = self.codec.vocoder.magnitudes(mel)
        window, hop = self.codec.vocoder.window, self.codec.config.mel.hop
        padded = torch.nn.functional.pad(audio[:, None], [(window.numel() - hop) // 2] * 2, "reflect")[:, 0]
        true = torch.stft(padded, window.numel(), hop, window=window, center=False, return_complex=True).abs()
        scale = window.square().sum().sqrt()
        found: Tensor = ((logarithm.exp() / scale + QUIET).log() - (true / scale + QUIET).log()).abs().mean()
        return found


def spectral_loss(sound: Tensor, target: Tensor) -> Tensor:
    """Spectral convergence and the mean absolute difference of log magnitudes (Yamamoto et al. 2020, equations 4 and
    5), averaged over windows of 23 to 370 ms [batch, samples] twice -> []."""
    parts = []
    for size in WINDOWS:
        window = torch.hann_window(size, device=sound.device)
        first, second = (
            _magnitude(torch.stft(each, size, size // 4, window=window, return_complex=True)) / (0.375 * size) ** 0.5
            for each in (sound, target)
        )
        convergence = (first - second).norm(dim=(1, 2)) / second.norm(dim=(1, 2)).clamp_min(1e-3)
        parts.append(convergence.mean() + ((first + QUIET).log() - (second + QUIET).log()).abs().mean())
    return torch.stack(parts).mean()


def _magnitude(spectrum: Tensor) -> Tensor:
    # Not `abs`, whose gradient at zero is not a number.
    return (spectrum.real.square() + spectrum.imag.square() + EPSILON).sqrt()


def main() -> None:
    """Command line."""
    VocoderTrainer(prepared(__doc__, "train_vocoder"), default_device()).train()


if __name__ == "__main__":
    main()
