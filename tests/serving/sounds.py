"""Audio files for tests, made on the spot."""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

# Container and codec of each kind that PyAV writes here.
CODED = {
    "opus": ("ogg", "libopus"),
    "m4a": ("mp4", "aac"),
    "aac": ("adts", "aac"),
    "alac": ("mp4", "alac"),
    "ima": ("wav", "adpcm_ima_wav"),
    "adpcm": ("wav", "adpcm_ms"),
    "a-law": ("wav", "pcm_alaw"),
    "mu-law": ("wav", "pcm_mulaw"),
    "u8": ("wav", "pcm_u8"),
    "s24": ("wav", "pcm_s24le"),
    "f32": ("wav", "pcm_f32le"),
    "f64": ("wav", "pcm_f64le"),
    "ogg-flac": ("ogg", "flac"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
}


def melody(seconds: float, rate: int = 22_050, peak: float = 0.3) -> NDArray[np.float32]:
    """Notes with an attack every quarter of a second [samples]."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 220 * 2 ** ((time * 4).astype(int) % 8 / 12)
    envelope = np.exp(-4 * (time * 4 % 1))
    wave: NDArray[np.float32] = (peak * envelope * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    return wave


def encoded(wave: NDArray[np.float32], rate: int = 22_050, kind: str = "WAV", channels: int = 1) -> bytes:
    """An audio file of a waveform [samples] or [samples, channels], written by libsndfile."""
    target = io.BytesIO()
    subtype = {"FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    many = np.stack([wave] * channels, 1) if wave.ndim == 1 else wave
    with soundfile.SoundFile(target, "w", rate, many.shape[1], subtype, format=kind) as file:
        for start in range(0, len(many), rate):  # libsndfile 1.2 dies of a long Ogg that comes at once
            file.write(many[start : start + rate])
    return target.getvalue()


def coded(wave: NDArray[np.float32], kind: str, rate: int = 48_000, layout: str = "stereo") -> bytes:
    """The same of a kind of `CODED`, with all its channels alike."""
    form, codec = CODED[kind]
    target = io.BytesIO()
    with av.open(target, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        pieces = np.split(wave, range(rate, len(wave), rate))
        for number, piece in enumerate(pieces):
            many = np.stack([piece] * stream.codec_context.channels)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(many), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, number * rate, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
