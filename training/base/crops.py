"""Random pieces of the training music, drawn where it lies: what codec and vocoder learn from."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.base.config import CropConfig


class Crops:
    """Pieces of clips at random gains and speeds, a fixed share of them from recordings."""

    def __init__(
        self, clips: NDArray[np.int16], abouts: list[dict[str, Any]], config: CropConfig, samples: int, device: str
    ) -> None:
        """Args:
        samples: of a piece.
        """
        self.config, self.device = config, device
        self.clips = torch.from_numpy(clips).to(device)
        self.places = torch.arange(samples, device=device)
        recorded = np.array(["recording" in about for about in abouts])
        self.pools = [np.flatnonzero(recorded == kind) for kind in (False, True)]

    def draw(self, batch: int, rng: np.random.Generator) -> Tensor:
        """A batch [batch, samples]; the same generator gives the same."""
        config = self.config
        low, high = np.log(config.gain_range)
        speeds = np.where(rng.random(batch) < config.speed_share, rng.uniform(*config.speed_range, batch), 1.0)
        room = self.clips.shape[1] - 1 - np.ceil(len(self.places) * speeds)
        drawn = (
            chosen(self.pools, config.recording_share, batch, rng),
            (rng.random(batch) * np.maximum(room, 0)).astype(np.int64),
            np.exp(rng.uniform(low, high, batch)).astype(np.float32),
            speeds.astype(np.float32),
        )
        rows, starts, gains, rates = (torch.from_numpy(each).to(self.device)[:, None] for each in drawn)
        at = self.places * rates
        whole = at.long()
        first = starts + whole
        pieces = torch.lerp(self.clips[rows, first].float(), self.clips[rows, first + 1].float(), at - whole)
        scaled: Tensor = pieces * (gains / 32768)
        return scaled

    def sample(self, count: int) -> list[Tensor]:
        """About `count` whole clips, evenly spaced, in small batches."""
        some = self.clips[:: max(1, len(self.clips) // count)]
        return [part.float() / 32768 for part in torch.split(some, 16)]


def chosen(pools: list[NDArray[np.int64]], share: float, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of `count` clips, this share of them from the second pool; all from one where the other is empty."""
    first, second = pools
    from_second = rng.random(count) < share if len(first) and len(second) else np.full(count, len(second) > 0)
    places = (rng.random(count) * np.where(from_second, len(second), len(first))).astype(np.int64)
    return np.concatenate(pools)[places + from_second * len(first)]
