"""A critic that tells log-mels from their reconstructions, so that the decoder sharpens what L1 blurs.

Hinge loss and feature matching as in Kumar et al. 2019 (MelGAN, arXiv 1910.06711), on spectrograms.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

WIDTHS = (1, 24, 48, 96, 96)


class Critic(nn.Module):
    """Judges patches of a log-mel [batch, bands, frames]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 3), stride=(2, 2), padding=(2, 1)))
            for before, after in pairwise(WIDTHS)
        )
        self.head = weight_norm(nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor) -> list[Tensor]:
        """Features of every layer; the last are the judgements, high = real."""
        found, x = [], mel[:, None]
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.2)
            found.append(x)
        return [*found, self.head(x)]


def critic_loss(real: Sequence[Tensor], rebuilt: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the critic."""
    return (1 - real[-1]).relu().mean() + (1 + rebuilt[-1]).relu().mean()


def deception(rebuilt: Sequence[Tensor]) -> Tensor:
    """What the decoder lowers to pass for real."""
    return -rebuilt[-1].mean()


def feature_distance(real: Sequence[Tensor], rebuilt: Sequence[Tensor]) -> Tensor:
    """Mean L1 between the features of both, each layer relative to the size of the real ones."""
    distances = [(a - b).abs().mean() / a.abs().mean() for a, b in zip(real[:-1], rebuilt[:-1], strict=True)]
    return torch.stack(distances).mean()
