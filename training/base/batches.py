"""Training batches of the denoiser: crops with their conditions, some given a part to continue.

Not for losses: see `train_denoiser`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from serving.engine.plan import CHORD, CLOCK, KEY
from training.base.config import DenoiserTraining
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
    """Draws batches; the same generator gives the same batch."""

    def __init__(self, features: Features, config: DenoiserTraining) -> None:
        self.features, self.config = features, config
        self.pools = [np.flatnonzero(features.recorded == kind) for kind in (False, True)]
        self._plan_dropouts = (
            (CLOCK, config.tempo_dropout), (KEY, config.key_dropout), (CHORD, config.chord_dropout),
        )  # fmt: skip

    def draw(self, frames: int, rng: Generator) -> Batch:
        """A batch of crops of `frames` latent frames."""
        clips = [self._clip(rng) for _ in range(self.config.batch)]
        crops = [self._crop(clip, frames, rng) for clip in clips]
        latents, plan = (torch.stack(parts) for parts in zip(*crops, strict=True))
        prompt = torch.stack([self._prompt(clip, rng) for clip in clips])
        style = torch.stack([self._style(clip, rng) for clip in clips])
        for row in range(len(clips)):
            both = rng.random() < self.config.both_dropout
            if both or rng.random() < self.config.prompt_dropout:
                prompt[row] = 0
            if both or rng.random() < self.config.style_dropout:
                style[row] = 0
            for part, dropout in self._plan_dropouts:
                if both or rng.random() < dropout:
                    plan[row, :, part] = 0
        keep = torch.from_numpy(np.stack([self._mask(frames, rng) for _ in clips]))
        return Batch(latents, prompt, style, keep, plan)

    def _clip(self, rng: Generator) -> int:
        recorded = rng.random() < self.config.recording_share
        pool = self.pools[recorded] if len(self.pools[recorded]) else self.pools[not recorded]
        return int(rng.choice(pool))

    def _crop(self, clip: int, frames: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Latents and plan of one stretch."""
        room = self.features.latents.shape[1] - frames
        start = int(rng.integers(room + 1))
        place = slice(start, start + frames)
        return self.features.latents[clip, place].float(), self.features.plans[clip, place].float()

    def _prompt(self, clip: int, rng: Generator) -> Tensor:
        return self.features.prompts[int(rng.choice(self.features.captions_of[clip]))].float()

    def _style(self, clip: int, rng: Generator) -> Tensor:
        """The style of the clip's group, blurred: listeners' songs never match one exactly."""
        blur = rng.standard_normal(self.features.styles.shape[1], np.float32)
        return self.features.styles[clip] + self.config.style_blur * torch.from_numpy(blur)

    def _mask(self, frames: int, rng: Generator) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """1 where music is given: mostly nowhere, else a beginning, or all but a gap."""
        mask = np.zeros(frames, dtype=np.float32)
        if rng.random() < self.config.context_share:
            low, high = np.sort(rng.integers(frames // 6, frames, 2))
            mask[:low] = 1
            if rng.random() < 0.4:
                mask[high:] = 1
        return mask
