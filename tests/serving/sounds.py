"""Audio files for tests, made on the spot."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray


def melody(seconds: float, rate: int = 22_050, peak: float = 0.3) -> NDArray[np.float32]:
    """Notes with an attack every quarter of a second [samples]."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 220 * 2 ** ((time * 4).astype(int) % 8 / 12)
    envelope = np.exp(-4 * (time * 4 % 1))
    wave: NDArray[np.float32] = (peak * envelope * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    return wave


def encoded(wave: NDArray[np.float32], rate: int = 22_050, kind: str = "WAV", channels: int = 1) -> bytes:
    """An audio file of a waveform."""
    target = io.BytesIO()
    subtype = {"FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    soundfile.write(target, np.stack([wave] * channels, 1), rate, format=kind, subtype=subtype)
    return target.getvalue()
