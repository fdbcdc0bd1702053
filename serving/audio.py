"""Audio files to mono waveforms of one rate and loudness, and back to FLAC.

Loudness is ITU-R BS.1770-4, so no arm of a comparison wins by being louder. Not for music: what a
song sounds like is the engine's to say.
"""

import io
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from schemas.generation import LOUDNESS_LUFS, MIN_SONG_SECONDS, SAMPLE_RATE
from serving.decoding.process import decoded, unusable
from serving.loudness import block_powers, integrated

Waveform = NDArray[np.float32]

# -1 dB of full scale: room for the overshoot between samples.
CEILING = 10 ** (-1 / 20)
# BS.1770 gates out what is below -70; quieter than -60 is no music.
SILENCE_LUFS = -60.0
LIMITER_S = 0.005
LEVEL_ROUNDS, LEVEL_TOLERANCE_DB = 4, 0.2
# Above it the parts of an unfinished track bend towards the ceiling.
KNEE = 0.7
FADE_IN_S, FADE_OUT_S = 0.01, 0.2
DC_HZ = 10.0
# Channels cancel where their mean has less than this part of the power of one of them.
CANCELS = 0.01


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
    if not data:
        raise unusable("empty", "The file is empty.", "an audio file")
    waveform = mono(data)
    if (seconds := len(waveform) / SAMPLE_RATE) < MIN_SONG_SECONDS:
        raise unusable("too_short", f"The song lasts {seconds:.2f} s.", f">= {MIN_SONG_SECONDS:g} s")
    # Floats may be of any size, and their squares are summed.
    return level(waveform / max(np.float32(1), np.abs(waveform).max()))


def level(waveform: Waveform) -> Levelled:
    """Brings a waveform to the common loudness by a gain and a peak limiter.

    Args:
        waveform: mono at `SAMPLE_RATE`, at least 0.4 s [samples].

    Raises:
        Refused: 422 `silent`.
    """
    powers, peak = block_powers(waveform, SAMPLE_RATE), np.abs(waveform).max()
    loudness = integrated(powers)
    if not loudness > SILENCE_LUFS:
        raise unusable("silent", "The audio is silent.", f"louder than {SILENCE_LUFS:g} LUFS")
    gain_db = LOUDNESS_LUFS - loudness
    # The limiter takes some loudness from music with peaks; a few rounds give most of it back.
    for _ in range(LEVEL_ROUNDS):
        factor = np.float32(10 ** (gain_db / 20))
        limited = waveform * factor
        if peak * factor > CEILING:
            limited = _limit(limited)
            reached = integrated(block_powers(limited, SAMPLE_RATE))
        else:
            reached = integrated(powers * float(factor) ** 2)
        gain_db += LOUDNESS_LUFS - reached
        if abs(LOUDNESS_LUFS - reached) < LEVEL_TOLERANCE_DB:
            break
    return Levelled(limited, reached)


def warm_up() -> None:
    """Loads what else the first song or track would load (see `loudness`)."""
    _limit(_without_dc(np.ones(SAMPLE_RATE, np.float32)))
    gain(np.ones(SAMPLE_RATE, np.float32))


def finish(waveform: Waveform, seconds: float) -> Levelled:
    """A generated waveform cut to length, its ends faded, at the common loudness; Refused if silent."""
    cut = waveform[: round(seconds * SAMPLE_RATE)].astype(np.float32)
    fade_in, fade_out = (np.linspace(0, 1, round(s * SAMPLE_RATE), dtype=np.float32) for s in (FADE_IN_S, FADE_OUT_S))
    cut[: len(fade_in)] *= fade_in
    cut[-len(fade_out) :] *= fade_out[::-1]
    return level(cut)


def gain(waveform: Waveform) -> float | None:
    """The factor that brings a waveform of at least 0.4 s to the common loudness; None if it is silent."""
    loudness = integrated(block_powers(waveform, SAMPLE_RATE))
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


def mono(data: bytes) -> Waveform:
    """The sound of a file without its DC: the mean of its channels, or one of them where they cancel [samples].

    Raises:
        Refused: 422 with the field `file`.
    """
    blocks, power = [], np.zeros(2)
    with closing(decoded(data)) as sound:
        for block in sound:
            if not np.isfinite(block).all():
                raise unusable("not_finite", "The audio holds numbers that are not finite.", "finite samples")
            power += [_deviation(column) for column in block.T]
            blocks.append(block)
    column = int(power[0] < CANCELS * power[1])
    return _without_dc(np.concatenate([block[:, column] for block in blocks])) if blocks else np.zeros(0, np.float32)


def _deviation(samples: Waveform) -> float:
    """Sum of squared distances from the mean."""
    wide = samples.astype(np.float64)
    wide -= wide.mean()
    return float(wide @ wide)


def _without_dc(waveform: Waveform) -> Waveform:
    """Takes away what no ear hears and the limiter would obey; starts at the first sample, so that there is no step."""
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sections = butter(2, DC_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    centred, _ = sosfilt(sections, waveform, zi=sosfilt_zi(sections) * waveform[0])
    found: Waveform = centred.astype(np.float32)
    return found


def _limit(waveform: Waveform) -> Waveform:
    """Lowers the gain around peaks over the ceiling, smoothly; nothing exceeds it afterwards."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    peak = np.abs(waveform)
    reach = round(LIMITER_S * SAMPLE_RATE)
    wanted = np.minimum(1.0, CEILING / np.maximum(peak, CEILING))
    # Each mean is over gains that all suit the sample in its middle, so it suits it too.
    gain = uniform_filter1d(minimum_filter1d(wanted, 2 * reach + 1), 2 * reach + 1)
    limited: Waveform = np.clip(waveform * gain, -CEILING, CEILING).astype(np.float32)
    return limited
