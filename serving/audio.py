"""Audio files to mono waveforms of one rate and loudness, and back to FLAC.

Loudness is ITU-R BS.1770-4, so no arm of a comparison wins by being louder. Not for music: what a
song sounds like is the engine's to say.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyloudnorm
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from schemas.generation import LOUDNESS_LUFS, MAX_SONG_SECONDS, MIN_SONG_SECONDS, SAMPLE_RATE
from serving.errors import Refused, refused

Waveform = NDArray[np.float32]

FORMATS = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
# -1 dB of full scale: room for the overshoot between samples.
CEILING = 10 ** (-1 / 20)
# BS.1770 gates out what is below -70; quieter than -60 is no music.
SILENCE_LUFS = -60.0
LIMITER_S = 0.005
LEVEL_ROUNDS, LEVEL_TOLERANCE_DB = 4, 0.2
# Above it the parts of an unfinished track bend towards the ceiling.
KNEE = 0.7
FADE_IN_S, FADE_OUT_S = 0.01, 0.2
BLOCK = 1 << 18
RIFF_UNKNOWN_SIZES = (0, 0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Levelled:
    """Mono at `SAMPLE_RATE`, within the ceiling, and the loudness that was reached."""

    waveform: Waveform
    loudness_lufs: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.waveform) / SAMPLE_RATE


def read_song(data: bytes) -> Levelled:
    """An uploaded song, ready to be stored.

    Raises:
        Refused: 422 with the field `file` when the bytes are no usable audio.
    """
    waveform = _decode(data)
    if not np.isfinite(waveform).all():
        raise _unusable("not_finite", "The audio holds numbers that are not finite.", "finite samples")
    return level(waveform)


def level(waveform: Waveform) -> Levelled:
    """Brings a waveform to the common loudness by a gain and a peak limiter.

    Args:
        waveform: mono at `SAMPLE_RATE`, at least 0.4 s [samples].

    Raises:
        Refused: 422 `silent`.
    """
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    loudness = float(meter.integrated_loudness(waveform))
    if not loudness > SILENCE_LUFS:
        raise _unusable("silent", "The audio is silent.", f"louder than {SILENCE_LUFS:g} LUFS")
    gain_db = LOUDNESS_LUFS - loudness
    # The limiter takes some loudness from music with peaks; a few rounds give most of it back.
    for _ in range(LEVEL_ROUNDS):
        limited = _limit(waveform * np.float32(10 ** (gain_db / 20)))
        reached = float(meter.integrated_loudness(limited))
        gain_db += LOUDNESS_LUFS - reached
        if abs(LOUDNESS_LUFS - reached) < LEVEL_TOLERANCE_DB:
            break
    return Levelled(limited, reached)


def finish(waveform: Waveform, seconds: float) -> Levelled:
    """A generated waveform cut to length, its ends faded, at the common loudness; Refused if silent."""
    cut = waveform[: round(seconds * SAMPLE_RATE)].astype(np.float32)
    fade_in, fade_out = (np.linspace(0, 1, round(s * SAMPLE_RATE), dtype=np.float32) for s in (FADE_IN_S, FADE_OUT_S))
    cut[: len(fade_in)] *= fade_in
    cut[-len(fade_out) :] *= fade_out[::-1]
    return level(cut)


def gain(waveform: Waveform) -> float | None:
    """The factor that brings a waveform of at least 0.4 s to the common loudness; None if it is silent."""
    loudness = float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(waveform))
    return float(10 ** ((LOUDNESS_LUFS - loudness) / 20)) if loudness > SILENCE_LUFS else None


def pcm(waveform: Waveform, factor: float) -> bytes:
    """A part of a track at a gain, as 16-bit little-endian PCM.

    Peaks bend sample by sample, which needs no neighbours: parts made one by one join without a seam.
    """
    loud = waveform * np.float32(factor)
    size = np.abs(loud)
    bent = KNEE + (CEILING - KNEE) * np.tanh((size - KNEE) / (CEILING - KNEE))
    limited = np.where(size > KNEE, np.sign(loud) * bent, loud)
    return np.round(limited * 32767).astype("<i2").tobytes()


def flac(waveform: Waveform) -> bytes:
    """A 16-bit FLAC file of a waveform within [-1, 1] at `SAMPLE_RATE`."""
    target = io.BytesIO()
    soundfile.write(target, waveform, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return target.getvalue()


def _decode(data: bytes) -> Waveform:
    if not data:
        raise _unusable("empty", "The file is empty.", "an audio file")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _require_usable(file, data)
            mono = np.concatenate([b.mean(1) for b in file.blocks(BLOCK, dtype="float32", always_2d=True)])
            if len(mono) < file.frames:
                raise _truncated()
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise _unusable(
            "not_audio", f"The file cannot be read as audio: {error.error_string}", "wav, flac, ogg or mp3"
        ) from error
    resampled: Waveform = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ").astype(np.float32)
    return resampled


def _require_usable(file: Any, data: bytes) -> None:
    if file.format not in FORMATS:
        raise _unusable("unsupported_format", f"{file.format} is not supported.", "wav, flac, ogg or mp3")
    seconds = file.frames / file.samplerate
    if seconds > MAX_SONG_SECONDS:
        raise _unusable("too_long", f"The song lasts {seconds:.0f} s.", f"<= {MAX_SONG_SECONDS:g} s")
    if _is_truncated(file.format, data):
        raise _truncated()
    if seconds < MIN_SONG_SECONDS:
        raise _unusable("too_short", f"The song lasts {seconds:.2f} s.", f">= {MIN_SONG_SECONDS:g} s")


def _is_truncated(kind: str, data: bytes) -> bool:
    """Whether the container itself says that bytes are missing; decoders fill in or stop silently."""
    if kind in ("WAV", "WAVEX") and data[:4] == b"RIFF":
        size = int.from_bytes(data[4:8], "little")
        return size not in RIFF_UNKNOWN_SIZES and size + 8 > len(data) + 1
    if kind == "OGG":
        page = data.rfind(b"OggS")
        end_of_stream = 4
        return not data[page + 5] & end_of_stream if page + 5 < len(data) else True
    return False


def _limit(waveform: Waveform) -> Waveform:
    """Lowers the gain around peaks over the ceiling, smoothly; nothing exceeds it afterwards."""
    peak = np.abs(waveform)
    if peak.max() <= CEILING:
        return waveform
    reach = round(LIMITER_S * SAMPLE_RATE)
    wanted = np.minimum(1.0, CEILING / np.maximum(peak, CEILING))
    # Each mean is over gains that all suit the sample in its middle, so it suits it too.
    gain = uniform_filter1d(minimum_filter1d(wanted, 2 * reach + 1), 2 * reach + 1)
    limited: Waveform = np.clip(waveform * gain, -CEILING, CEILING).astype(np.float32)
    return limited


def _truncated() -> Refused:
    return _unusable("truncated", "The file ends before its audio does.", "a whole file")


def _unusable(code: str, message: str, expected: str) -> Refused:
    return refused(422, code, message, field="file", expected=expected)
