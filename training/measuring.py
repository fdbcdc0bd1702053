"""What is heard of a track whatever its listener likes: whether it is what its prompt states, and how clean it is.

Measured on the sound that its latents decode to, by the engine's own hearing: tempo, key, the tagger, and the dial of
production. Not for taste.
"""

import re
from collections.abc import Callable
from statistics import fmean
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from serving.engine.bases.base import Base
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.production import production
from serving.engine.hearing.style import TAGS, StyleEncoder
from serving.engine.music.plan import key_of, metre_of
from training.base.judges.tempo import tempo_fits
from training.methods.staged_rewards import Measure, Measured
from training.snapshot import RatedTrack

# What of a track is listened to, from its beginning.
MOST_S: Final = 10.0
LEAST_S: Final = 1.0
LEVEL: Final = 0.1  # root mean square at which the tagger hears everything
# Tags that name an instrument, as a prompt may.
INSTRUMENTS: Final = tuple(
    tag
    for tag in TAGS
    if tag in {"guitar", "strings", "drums", "piano", "violin", "synth", "harpsichord", "flute", "sitar", "choir",
               "harp", "cello"}
)  # fmt: skip


def measuring(base: Base, read: Callable[[str], bytes]) -> Measure:
    """Hears rated tracks; of one whose features are not there, or of another base, nothing is told.

    Args:
        base: decodes the latents.
        read: a blob by its URL; may raise OSError.
    """
    tagger = StyleEncoder()

    def measure(track: RatedTrack) -> Measured:
        latents = _latents(track.features_url, read, base)
        if latents is None:
            return Measured()
        audio, rate = _decoded(latents, base), base.codec.sample_rate
        return Measured(adherence(track.prompt, audio, rate, tagger), production(audio, rate))

    return measure


def adherence(prompt: str, waveform: Tensor, sample_rate: int, tagger: StyleEncoder) -> float | None:
    """Mean over what a prompt states of whether it is heard, in [0, 1]: a tempo and a key are or are not, of an
    instrument it is the tagger's probability. None where nothing is stated.

    Args:
        prompt: as typed.
        waveform: mono, at least a second [samples].
        sample_rate: of the waveform.
        tagger: with tags, on the CPU.
    """
    metre, key = metre_of(prompt), key_of(prompt)
    found = []
    if metre is not None or key is not None:
        feel = feel_heard(waveform, sample_rate)
        found += [] if metre is None else [float(tempo_fits(feel.bpm, 60 / metre.quarter_s, compound=False))]
        found += [] if key is None else [float(feel.key == key)]
    named = [TAGS.index(each) for each in INSTRUMENTS if re.search(rf"\b{each}\b", prompt, re.IGNORECASE)]
    if named:
        level = waveform * LEVEL / waveform.square().mean().sqrt().clamp_min(1e-6)
        found += tagger.tags(level[None], sample_rate)[0][named].tolist()
    return fmean(found) if found else None


def _latents(url: str, read: Callable[[str], bytes], base: Base) -> Tensor | None:
    """The beginning of a track's [frames, channels]; None where there is none that this base decodes."""
    try:
        latents = load(read(url))["latents"].float()
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    shortest, most = (base.codec.frames_for(seconds) for seconds in (LEAST_S, MOST_S))
    fits = latents.ndim == 2 and latents.shape[1] == base.codec.latent_channels and len(latents) >= shortest
    return latents[: min(most, len(latents) // 2 * 2)] if fits and bool(latents.isfinite().all()) else None


@torch.inference_mode()
def _decoded(latents: Tensor, base: Base) -> Tensor:
    """Their sound on the CPU [samples]."""
    device = next(base.transformer.parameters()).device
    return base.codec.decode(latents[None].to(device))[0].float().cpu()
