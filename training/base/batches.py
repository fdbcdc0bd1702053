"""Training batches of the denoiser: crops with their conditions, some given a part to continue.

Not for losses: see `train_denoiser`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from serving.engine.music.plan import CHORD, CLOCK, KEY
from training.base.config import DenoiserTraining
from training.base.crops import chosen
from training.base.features import Features


@dataclass(frozen=True)
class Batch:
    """One batch; zeros in `prompt`, `style`, `keep` or `plan` mean "not given".

    Attributes:
        latents: clean music [batch, frames, channels].
        prompt: token states [batch, 24, 384].
        style: style vectors [batch, 200].
        keep: 1 where the music is given [batch, frames].
        plan: tempo, key and chords [batch, frames, 28].
    """

    latents: Tensor
    prompt: Tensor
    style: Tensor
    keep: Tensor
    plan: Tensor


class Batches:
    """Draws batches where the features are; the same generator gives the same batch."""

    def __init__(self, features: Features, config: DenoiserTraining) -> None:
        self.features, self.config = features, config
        self.device = features.latents.device
        self.pools = [np.flatnonzero(features.recorded == kind) for kind in (False, True)]
        self._plan_dropouts = (
            (CLOCK, config.tempo_dropout), (KEY, config.key_dropout), (CHORD, config.chord_dropout),
        )  # fmt: skip

    def draw(self, frames: int, rng: Generator) -> Batch:
        """A batch of crops of `frames` latent frames."""
        features, config = self.features, self.config
        clips = chosen(self.pools, config.recording_share, config.batch, rng)
        rows, places = self._there(clips)[:, None], self._places(frames, rng)
        plan = features.plans[rows, places].float()
        both = rng.random(config.batch) < config.both_dropout
        for part, dropout in self._plan_dropouts:
            plan[self._dropped(both, dropout, rng), :, part] = 0
        prompt, style = self._prompts(clips, rng), self._styles(rows[:, 0], rng)
        prompt[self._dropped(both, config.prompt_dropout, rng)] = 0
        style[self._dropped(both, config.style_dropout, rng)] = 0
        keep = np.stack([self._mask(frames, rng) for _ in clips])
        return Batch(features.latents[rows, places].float(), prompt, style, self._there(keep), plan)

    def _there(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _places(self, frames: int, rng: Generator) -> Tensor:
        """Where each crop lies in its clip [batch, frames]."""
        room = self.features.latents.shape[1] - frames
        starts = rng.integers(room + 1, size=(self.config.batch, 1))
        return self._there(starts + np.arange(frames))

    def _dropped(self, both: NDArray[np.bool_], share: float, rng: Generator) -> Tensor:
        return self._there(both | (rng.random(len(both)) < share))

    def _prompts(self, clips: NDArray[np.int64], rng: Generator) -> Tensor:
        said = self.features.captions_of
        picked = said[clips, rng.integers(said.shape[1], size=len(clips))]
        return self.features.prompts[self._there(picked)].float()

    def _styles(self, rows: Tensor, rng: Generator) -> Tensor:
        """The styles of the clips' groups, blurred: listeners' songs never match one exactly."""
        found = self.features.styles[rows]
        blur = self._there(rng.standard_normal(found.shape, np.float32))
        return found + self.config.style_blur * blur

    def _mask(self, frames: int, rng: Generator) -> NDArray[np.float32]:
        """1 where music is given: mostly nowhere, else a beginning, or all but a gap."""
        mask = np.zeros(frames, dtype=np.float32)
        if rng.random() < self.config.context_share:
            low, high = np.sort(rng.integers(frames // 6, frames, 2))
            mask[:low] = 1
            if rng.random() < 0.4:
                mask[high:] = 1
        return mask
