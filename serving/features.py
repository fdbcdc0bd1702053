"""Feature files of songs and tracks, and where in a song the features are taken.

All hold `style`, `sound`, `latents` and `plan`: that a track was made by, or that a song fits. A song's holds `feel`
(quarters a minute, tonic, 1 where the key is minor) as well; its noise has a file of its own (see `noises`). `sound` is
not in files of before it was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from serving.engine.bases.base import Base
from serving.engine.bases.interfaces import Codec
from serving.engine.bases.shipped.codec import REFERENCE_RMS
from serving.engine.hearing.sound import SOUND_SIZE
from serving.engine.music.plan import TEMPI, Feel, Key
from serving.errors import refused

EXCERPT_S = 10.0
STYLE_S = 30.0
HOP_S = 5.0


@dataclass(frozen=True, eq=False)
class SongFeatures:
    """What a song gives to tracks: style [size], the noise it comes from [frames, channels], how it moves, and what it
    sounds like [SOUND_SIZE], None where nobody measured it."""

    style: Tensor
    noise: Tensor
    feel: Feel
    sound: Tensor | None = None


def dump_features(**tensors: Tensor) -> bytes:
    """Named tensors as one file."""
    return bytes(save({name: value.float().cpu().contiguous() for name, value in tensors.items()}))


def parse_song(data: bytes, base: Base) -> dict[str, Tensor]:
    """What a song's file holds, `style`, `latents` and `feel` at least; Refused if this base has no use for it."""
    try:
        tensors: dict[str, Tensor] = load(data)
        style, latents, _ = tensors["style"], tensors["latents"], feel_of(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise refused(422, "bad_features", f"Not a song's features: {error}", field="songs") from error
    sizes, expected = (style.numel(), latents.shape[-1]), (base.conditions.style_size, base.codec.latent_channels)
    if sizes != expected:
        message = "The song was uploaded under another base model; upload it again."
        wanted = "style of {} and latents of {} channels".format(*expected)
        raise refused(422, "other_base", message, field="songs", expected=wanted)
    return tensors


def representative(codec: Codec, waveform: Tensor, seconds: float) -> Tensor:
    """The stretch whose mean log-mel spectrum is closest to the whole song's.

    Args:
        codec: whose spectrum counts.
        waveform: mono at the codec's rate [samples].
        seconds: of the stretch, a multiple of `HOP_S`; a shorter song is returned whole.
    """
    size, hop = round(seconds * codec.sample_rate), round(HOP_S * codec.sample_rate)
    starts = range(0, len(waveform) - size + 1, hop)
    if len(starts) < 2:
        return waveform[:size]
    # Stretches overlap: each hop is heard once, and a stretch is the mean of its hops.
    hops = torch.stack([_spectrum(codec, each) for each in torch.split(waveform, hop) if len(each) == hop])
    means = hops.unfold(0, round(seconds / HOP_S), 1)[: len(starts)].mean(-1)
    best = int((means - means.mean(0)).norm(dim=1).argmin())
    return waveform[starts[best] : starts[best] + size]


def at_reference(waveform: Tensor) -> Tensor:
    """The waveform at the level on which the codec was trained."""
    return waveform * (REFERENCE_RMS / waveform.square().mean().sqrt().clamp_min(1e-6))


def sound_of(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """What a song sounds like; None where its file does not say it, or not in these numbers."""
    sound = tensors.get("sound")
    whole = sound is not None and sound.shape == (SOUND_SIZE,) and bool(sound.isfinite().all())
    return sound if whole else None


def feel_of(tensors: Mapping[str, Tensor]) -> Feel:
    """How a song moves; KeyError or ValueError where its file does not say."""
    bpm, tonic, minor = tensors["feel"].tolist()
    if not TEMPI.start <= bpm < TEMPI.stop or tonic not in range(12):
        raise ValueError(f"feel: expected a tempo within {TEMPI} and a tonic within 0 to 11, got {bpm} and {tonic}")
    return Feel(bpm, Key(int(tonic), bool(minor)))


@torch.inference_mode()
def _spectrum(codec: Codec, stretch: Tensor) -> Tensor:
    mel: Tensor = codec.mel(stretch[None].to(codec.mel.spectrogram.mel_basis.device))
    return mel[0].mean(1)
