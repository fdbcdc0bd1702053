"""How well a seed turned out for its listener: by what was learned of them, else by likeness to their songs; and by the
dials that were set."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from schemas.generation import NO_DIALS, Dials, Rewards
from serving.audio import Levelled, finish
from serving.dials import rewards_of, worth
from serving.engine.adapters.scorer import Scorer, closeness, describe
from serving.engine.hearing.sound import sound_of
from serving.engine.sound.chunks import Chunks
from serving.studio import Studio


@dataclass(frozen=True, eq=False)
class Sound:
    """Latents that were heard: finished audio, its style [size] and sound [SOUND_SIZE], and where there was a judge the
    score, with the rewards in it if dials were set."""

    audio: Levelled
    style: Tensor
    numbers: Tensor
    score: float = 0.0
    rewards: Rewards | None = None


@dataclass(frozen=True, eq=False)
class Judge:
    """`wanted` is the style of the songs [size], `sound` what they sound like [SOUND_SIZE], None of songs that were
    described before that was measured. Without a scorer, or with one that reads other numbers, the closest wins."""

    studio: Studio
    wanted: Tensor
    sound: Tensor | None = None
    scorer: Scorer | None = None
    dials: Dials = NO_DIALS

    def hear(self, latents: Tensor, seconds: float) -> Sound:
        """Decodes latents [frames, channels], at most so many seconds of them, and scores what is heard. Slow."""
        codec = self.studio.base.codec
        waveform = Chunks(codec).add(latents, last=True)
        sound = heard(self.studio, waveform, seconds)
        # As it was made: levelling rounds off what was clipped.
        made = waveform[: round(seconds * codec.sample_rate)]
        rewards = rewards_of(made, codec.sample_rate, self.dials)
        score = self._liking(sound.style, sound.numbers) + worth(self.dials, rewards)
        return Sound(sound.audio, sound.style, sound.numbers, score, rewards)

    @property
    def sketches(self) -> bool:
        """Whether a spectrogram tells it enough halfway; dials are about the waveform."""
        return self.studio.base.sketch is not None and self.dials == NO_DIALS

    def sketched(self, latents: Sequence[Tensor]) -> list[float]:
        """Scores of what several latents [frames, channels], alike in length, would about be heard as; only where it
        `sketches`. Slow."""
        sketch = self.studio.base.sketch
        assert sketch is not None, "without a sketch seeds are heard"
        return [self._liking(*each) for each in zip(*sketch(torch.stack(list(latents))), strict=True)]

    def _liking(self, style: Tensor, numbers: Tensor) -> float:
        if self.scorer is not None and self.sound is not None:
            description = describe(style, self.wanted, numbers, self.sound)
            if self.scorer.reads(description):
                return self.scorer.score(description)
        return closeness(style, self.wanted, numbers, self.sound)


def heard(studio: Studio, waveform: Tensor, seconds: float) -> Sound:
    """Finished audio, style and sound of a waveform [samples]. Slow."""
    rate = studio.base.codec.sample_rate
    audio = finish(waveform.numpy(), min(seconds, len(waveform) / rate))
    whole = torch.from_numpy(audio.waveform)
    return Sound(audio, studio.style(whole), sound_of(whole, rate))
