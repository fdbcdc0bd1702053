"""How well a seed turned out for its listener: by what was learned of them, else by likeness to their songs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from serving.audio import Levelled, finish
from serving.engine.adapters.scorer import Scorer, describe, likeness
from serving.engine.sound.chunks import Chunks
from serving.studio import Studio


@dataclass(frozen=True, eq=False)
class Sound:
    """Latents that were heard: finished audio, its style [size] and, where there was a judge, the score."""

    audio: Levelled
    style: Tensor
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Judge:
    """`wanted` is the style that the track is made for [size]; without a scorer the likest wins."""

    studio: Studio
    wanted: Tensor
    scorer: Scorer | None = None

    def hear(self, latents: Tensor, seconds: float) -> Sound:
        """Decodes latents [frames, channels], at most so many seconds of them, and scores what is heard. Slow."""
        sound = heard(self.studio, Chunks(self.studio.base.codec).add(latents, last=True), seconds)
        return Sound(sound.audio, sound.style, self._score(sound.style, latents))

    def _score(self, style: Tensor, latents: Tensor) -> float:
        if self.scorer is None:
            return float(likeness(style, self.wanted))
        return self.scorer.score(describe(style, latents, self.wanted))


def heard(studio: Studio, waveform: Tensor, seconds: float) -> Sound:
    """Finished audio and style of a waveform [samples]. Slow."""
    audio = finish(waveform.numpy(), min(seconds, len(waveform) / studio.base.codec.sample_rate))
    return Sound(audio, studio.style(torch.from_numpy(audio.waveform)))
