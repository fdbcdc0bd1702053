"""What is lost on the way through the codec, and how long the way takes.

Not for the denoiser's quality: every number here compares a clip with its own copy.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase
from serving.engine.bases.shipped.codec import REFERENCE_RMS, Codec
from serving.engine.hearing.style import STYLE_SIZE
from training.base.sample import generate

# Window and hop of each resolution (Yamamoto et al. 2020, table 1).
RESOLUTIONS = ((512, 50), (1024, 120), (2048, 240))
SECONDS = 10.0
REPEATS = 3


def log_mel_error(codec: Codec, audio: Tensor, latents: Tensor) -> Tensor:
    """Mean absolute difference of the log-mel (natural logarithm of magnitudes) that the codec rebuilds, before any
    phase is found [batch, samples], [batch, frames, channels] -> [batch]."""
    with torch.inference_mode():
        error: Tensor = (codec.decode_mel(latents) - codec.mel(audio)).abs().mean((1, 2))
    return error


def spectral_distance(original: Tensor, rebuilt: Tensor) -> Tensor:
    """Multi-resolution STFT distance (Yamamoto et al. 2020, equation 6): spectral convergence and the mean absolute
    difference of log magnitudes, averaged over three resolutions [batch, samples] twice -> [batch]."""
    parts = []
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size)
        first, second = (
            torch.stft(each, size, hop, window=window, return_complex=True).abs().clamp_min(1e-5)
            for each in (original, rebuilt)
        )
        convergence = (first - second).norm(dim=(1, 2)) / first.norm(dim=(1, 2))
        parts.append(convergence + (first.log() - second.log()).abs().mean((1, 2)))
    return torch.stack(parts).mean(0)


def real_time_factors(base: ShippedBase) -> dict[str, float]:
    """Seconds of work for a second of audio, with as many threads as torch is set to: `encode`, `denoise` (the base's
    default steps, with guidance) and `decode` of one clip of ten seconds; the best of three."""
    codec = base.codec
    frames = codec.frames_for(SECONDS)
    audio = torch.randn(1, frames * codec.samples_per_frame) * REFERENCE_RMS
    prompt, style = base.text.encode(["music"]), torch.zeros(1, STYLE_SIZE)
    latents = codec.encode(audio)
    work: dict[str, Callable[[], object]] = {
        "encode": lambda: codec.encode(audio),
        "denoise": lambda: generate(base, prompt, style, frames, 0),
        "decode": lambda: codec.decode(latents),
    }
    return {name: _seconds(each) / SECONDS for name, each in work.items()}


def _seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
