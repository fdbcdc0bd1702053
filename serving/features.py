"""Feature files of songs and tracks, and where in a song the features are taken."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from serving.engine.base import Base
from serving.engine.codec import REFERENCE_RMS
from serving.engine.interfaces import Codec
from serving.errors import refused

EXCERPT_S = 10.0
STYLE_S = 30.0
HOP_S = 5.0


def dump_features(**tensors: Tensor) -> bytes:
    """`style`, `latents` and, of a song, `noise` as one file."""
    return bytes(save({name: value.float().cpu().contiguous() for name, value in tensors.items()}))


def parse_song(data: bytes, base: Base) -> tuple[Tensor, Tensor]:
    """Style [size] and noise [frames, channels] of a song's feature file; Refused if this base has no use for it."""
    try:
        tensors = load(data)
        style, noise = tensors["style"], tensors["noise"]
    except (SafetensorError, KeyError) as error:
        raise refused(422, "bad_features", f"Not a song's features: {error}", field="songs") from error
    sizes, expected = (style.numel(), noise.shape[-1]), (base.conditions.style_size, base.codec.latent_channels)
    if sizes != expected:
        message = "The song was uploaded under another base model; upload it again."
        wanted = "style of {} and noise of {} channels".format(*expected)
        raise refused(422, "other_base", message, field="songs", expected=wanted)
    return style, noise


def representative(codec: Codec, waveform: Tensor, seconds: float) -> Tensor:
    """The stretch whose mean log-mel spectrum is closest to the whole song's.

    Args:
        codec: whose spectrum counts.
        waveform: mono at the codec's rate [samples].
        seconds: of the stretch; a shorter song is returned whole.
    """
    size, hop = round(seconds * codec.sample_rate), round(HOP_S * codec.sample_rate)
    starts = range(0, len(waveform) - size + 1, hop)
    if len(starts) < 2:
        return waveform[:size]
    means = torch.stack([_spectrum(codec, waveform[start : start + size]) for start in starts])
    best = int((means - means.mean(0)).norm(dim=1).argmin())
    return waveform[starts[best] : starts[best] + size]


def at_reference(waveform: Tensor) -> Tensor:
    """The waveform at the level on which the codec was trained."""
    return waveform * (REFERENCE_RMS / waveform.square().mean().sqrt().clamp_min(1e-6))


@torch.inference_mode()
def _spectrum(codec: Codec, stretch: Tensor) -> Tensor:
    mel: Tensor = codec.mel(stretch[None].to(codec.mel.spectrogram.mel_basis.device))
    return mel[0].mean(1)
