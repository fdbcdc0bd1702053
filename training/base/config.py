"""Every choice of the recipe in one place; `ENCORE_BASE_WORK` moves the working folder.

Not for shapes that ship with the weights: those are the defaults of `serving.engine`.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from serving.engine.bases.shipped.checkpoint import TransformerConfig
from serving.engine.bases.shipped.codec import CodecConfig
from serving.engine.bases.shipped.conditions import ConditionsConfig


@dataclass(frozen=True)
class ClipConfig:
    """What the training music consists of."""

    seconds: float = 10.0
    # Latent frames of a clip; even.
    frames: int = 216
    arrangements: int = 16_000
    # Of one arrangement: two different places of the tune, so that style can be told from content.
    clips_per_arrangement: int = 2
    recording_clips: int = 4000
    # Consecutive clips of a recording that count as one group for style.
    recording_run: int = 4
    soundfont: str = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)


@dataclass(frozen=True)
class CropConfig:
    """How pieces of clips are drawn for codec and vocoder."""

    recording_share: float = 0.6
    gain_range: tuple[float, float] = (0.4, 1.5)
    # Pieces played faster or slower: pitches and formants that no clip has.
    speed_share: float = 0.5
    speed_range: tuple[float, float] = (0.84, 1.19)


@dataclass(frozen=True)
class CodecTraining:
    """Adam on L1 of the log-mel and of its differences in time, with a small KL term."""

    steps: int = 40_000
    seconds: float | None = None
    batch: int = 64
    mel_frames: int = 192
    learning_rate: float = 1.2e-3
    delta_weight: float = 0.5
    kl_weight: float = 2e-3
    clip_norm: float = 1.0
    ema: float = 0.999
    save_every: int = 2000


@dataclass(frozen=True)
class VocoderTraining:
    """Adam on spectra of the sound in windows of five lengths."""

    steps: int = 30_000
    seconds: float | None = None
    batch: int = 32
    mel_frames: int = 96
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    # Rows whose log-mel the codec rebuilt; the others have their own.
    rebuilt_share: float = 0.75
    magnitude_weight: float = 0.5
    clip_norm: float = 1.0
    ema: float = 0.998
    save_every: int = 500


@dataclass(frozen=True)
class DenoiserTraining:
    """AdamW on the velocity, logit-normal times; lengths grow from short to whole clips."""

    steps: int = 40_000
    seconds: float | None = None
    batch: int = 256
    # Share of the training spent on short crops, and their length in latent frames.
    short_share: float = 0.5
    short_frames: int = 108
    learning_rate: float = 8e-4
    final_rate: float = 1e-5
    warmup_steps: int = 300
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    time_mean: float = 0.2
    time_std: float = 1.0
    prompt_dropout: float = 0.15
    style_dropout: float = 0.3
    both_dropout: float = 0.1
    tempo_dropout: float = 0.25
    key_dropout: float = 0.25
    # Nobody states chords when tracks are asked for.
    chord_dropout: float = 0.6
    # Deviation of the noise on style vectors, whose features have deviation 1.
    style_blur: float = 0.2
    # Rows that are given a part of the music to continue or repaint.
    context_share: float = 0.25
    recording_share: float = 0.25
    ema: float = 0.9995
    save_every: int = 1000


def work_folder() -> Path:
    """Where clips and checkpoints lie: never inside the repository."""
    default = Path(tempfile.gettempdir()) / "encore-base"
    return Path(os.environ.get("ENCORE_BASE_WORK", str(default)))


@dataclass(frozen=True)
class Recipe:
    """The whole recipe; `seed` decides everything random."""

    seed: int = 7
    clips: ClipConfig = ClipConfig()
    crops: CropConfig = CropConfig()
    codec: CodecConfig = field(default_factory=CodecConfig)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    conditions: ConditionsConfig = field(default_factory=ConditionsConfig)
    train_codec: CodecTraining = CodecTraining()
    train_vocoder: VocoderTraining = VocoderTraining()
    train_denoiser: DenoiserTraining = DenoiserTraining()
    work: Path = field(default_factory=work_folder)
