"""A second published embedding of audio: the VGG tagger of the `musicnn` package (Pons and Serra 2019, MSD weights).

The base reads styles through musicnn, so a distance in that space alone could be flattered. This network has another
architecture (Choi et al. 2016) and learned from other music (the Million Song Dataset) towards other tags.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from serving.engine.errors import PackageError
from serving.engine.hearing.style import resample
from serving.engine.hearing.tagger import (
    NORM_EPSILON,
    PACKAGE,
    PATCH_FRAMES,
    SAMPLE_RATE,
    load_musicnn,
    read_checkpoint,
)

WEIGHTS = "MSD_vgg"
SIZE = 256
POOLS = (((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4))
PATCHES_PER_PASS = 16


class Vgg(nn.Module):
    """Frozen; reads the same spectrogram as musicnn."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self._weights = weights
        self._front = load_musicnn()

    @torch.inference_mode()
    def embed(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """Features before the last layer, averaged over patches of three seconds.

        Args:
            waveform: mono, at least three seconds [batch, samples].
            sample_rate: of the waveform.

        Returns:
            [batch, 256].
        """
        frames = self._front.spectrogram(resample(waveform, sample_rate, SAMPLE_RATE))
        count = max(1, round(frames.shape[1] / PATCH_FRAMES))
        starts = torch.linspace(0, frames.shape[1] - PATCH_FRAMES, count).long().tolist()
        patches = torch.stack([frames[:, start : start + PATCH_FRAMES] for start in starts], dim=1)
        passes = [self(part) for part in torch.split(patches.flatten(0, 1), PATCHES_PER_PASS)]
        return torch.cat(passes).reshape(-1, count, SIZE).mean(1)

    def forward(self, patches: Tensor) -> Tensor:
        """[batch, 187, 96] to [batch, 256]."""
        image = self._norm(patches[:, None], "batch_normalization")
        for layer, (size, stride) in enumerate(POOLS, start=1):
            kernel = self._weights[f"{layer}CNN/kernel"].permute(3, 2, 0, 1)
            image = functional.relu(functional.conv2d(image, kernel, self._weights[f"{layer}CNN/bias"], padding=1))
            image = functional.max_pool2d(self._norm(image, f"batch_normalization_{layer}"), size, stride)
        # The order in which the network's own last layer reads them: channels last.
        return image.permute(0, 2, 3, 1).flatten(1)

    def _norm(self, value: Tensor, name: str) -> Tensor:
        parts = (self._weights[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta"))
        mean, variance, gamma, beta = parts
        return functional.batch_norm(value, mean, variance, gamma, beta, eps=NORM_EPSILON)


def load_vgg() -> Vgg:
    """The network from the installed package; PackageError if it is absent."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageError(f"package {PACKAGE} is not installed: it carries the second embedding")
    return Vgg(read_checkpoint(Path(spec.origin).parent / WEIGHTS)).eval()
