"""Everything that is measured of single clips, taken once for each set. Not for comparing sets."""

from dataclasses import dataclass

import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase
from serving.engine.hearing.rhythm import rhythm
from serving.engine.hearing.style import StyleEncoder
from training.base.judges.adherence import timbre
from training.base.judges.embeddings import load_vgg
from training.base.judges.memorisation import middle
from training.base.judges.notes import Notes, Transcriber
from training.base.judges.repetition import repetition
from training.base.render import SAMPLE_RATE

CLIPS_PER_PASS = 8
# How far apart the passages are that are compared within ten seconds.
APART_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Embedded:
    """A set in the embeddings: `style` standardised [clips, 200], `vgg` [clips, 256], `tags` [clips, 50]."""

    style: Tensor
    vgg: Tensor
    tags: Tensor


@dataclass(frozen=True, eq=False)
class Heard:
    """A set as every estimator hears it.

    Attributes:
        embedded: in the embeddings.
        middle: style of the middle three seconds [clips, 200].
        timbre: [clips, 672].
        bpm: tempo of each clip [clips].
        strength: of the beat [clips].
        repetition: self-similarity within the clip [clips].
        notes: of each clip.
        seconds: length of a clip.
    """

    embedded: Embedded
    middle: Tensor
    timbre: Tensor
    bpm: Tensor
    strength: Tensor
    repetition: Tensor
    notes: list[Notes]
    seconds: float


class Ears:
    """All estimators, loaded once."""

    def __init__(self, base: ShippedBase) -> None:
        self.style: StyleEncoder = base.style
        self.vgg = load_vgg()
        self.transcriber = Transcriber(torch.get_num_threads())

    def embed(self, audio: Tensor) -> Embedded:
        """The embeddings of clips [clips, samples]."""
        parts = []
        for part in torch.split(audio, CLIPS_PER_PASS):
            features, tags = self.style.features(part, SAMPLE_RATE)
            standard = (features - self.style.mean) / self.style.std
            parts.append((standard, self.vgg.embed(part, SAMPLE_RATE), tags))
        return Embedded(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def hear(self, audio: Tensor) -> Heard:
        """Everything about clips of ten seconds [clips, samples]."""
        parts = []
        for part in torch.split(audio, CLIPS_PER_PASS):
            measures = (middle(self.style, part), timbre(part), *rhythm(part, SAMPLE_RATE))
            parts.append((*measures, repetition(part, APART_SECONDS)))
        center, colour, bpm, strength, returns = (torch.cat(column) for column in zip(*parts, strict=True))
        notes = [self.transcriber.notes(clip.numpy()) for clip in audio]
        return Heard(
            embedded=self.embed(audio), middle=center, timbre=colour, bpm=bpm, strength=strength, repetition=returns,
            notes=notes, seconds=audio.shape[1] / SAMPLE_RATE,
        )  # fmt: skip
