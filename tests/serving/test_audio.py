"""Every usable upload becomes the same kind of audio, and every unusable one is refused by name."""

import io

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.generation import LOUDNESS_LUFS, SAMPLE_RATE
from serving.audio import CEILING, finish, flac, gain, level, pcm, read_song
from serving.errors import Refused
from tests.serving.sounds import encoded, melody


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (22_050, 1), (8_000, 1)])
def test_formats_rates_and_channels_become_one(kind: str, rate: int, channels: int) -> None:
    song = read_song(encoded(melody(3, rate), rate, kind, channels))
    assert song.seconds == pytest.approx(3, abs=0.1)
    assert song.waveform.dtype == np.float32
    assert song.loudness_lufs == pytest.approx(LOUDNESS_LUFS, abs=1)


@settings(deadline=None, max_examples=20)
@given(st.floats(-30, 6), st.integers(0, 20))
def test_loudness_is_common_and_nothing_clips(gain_db: float, clicks: int) -> None:
    wave = melody(2) * np.float32(10 ** (gain_db / 20))
    wave[:: len(wave) // (clicks + 1)] = np.abs(wave).max() * 10
    levelled = level(wave)
    assert np.abs(levelled.waveform).max() <= CEILING + 1e-6
    assert levelled.loudness_lufs <= LOUDNESS_LUFS + 0.2
    assert levelled.loudness_lufs == pytest.approx(LOUDNESS_LUFS, abs=3)


def test_a_track_has_its_length_soft_ends_and_survives_the_file() -> None:
    track = finish(melody(4), 3)
    assert track.seconds == 3
    assert abs(track.waveform[0]) < 1e-6
    assert abs(track.waveform[-1]) < 1e-6
    again, rate = soundfile.read(io.BytesIO(flac(track.waveform)), dtype="float32")
    assert rate == SAMPLE_RATE
    np.testing.assert_allclose(again, track.waveform, atol=1 / 32_000)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"these are words, not music" * 100, "not_audio"),
        (encoded(melody(5))[:10], "truncated"),
        (encoded(melody(5), kind="OGG")[:3000], "truncated"),
        (encoded(melody(5), kind="FLAC")[:30], "truncated"),
        (encoded(melody(0.5)), "too_short"),
        (encoded(np.zeros(0, np.float32)), "too_short"),
        (encoded(np.zeros(601 * 8000, np.float32), 8_000, "FLAC"), "too_long"),
        (encoded(np.zeros(8 * 22_050, np.float32)), "silent"),
        (encoded(melody(3) * 1e-4), "silent"),
        (encoded(np.full(8 * 22_050, 0.5, np.float32)), "silent"),
    ],
)
def test_unusable_uploads_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read_song(data)
    problem = caught.value.problem
    assert (caught.value.status, problem.code, problem.field) == (422, code, "file")
    assert problem.expected


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_of_half_a_file_half_is_taken(kind: str) -> None:
    whole = encoded(melody(40), kind=kind)
    assert read_song(whole[: len(whole) // 2]).seconds == pytest.approx(20, abs=4)


@pytest.mark.parametrize("size", [1e6, 1e38])
def test_a_file_of_huge_numbers_is_levelled_like_any(size: float) -> None:
    target = io.BytesIO()
    soundfile.write(target, melody(3) * size, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    song = read_song(target.getvalue())
    assert np.corrcoef(song.waveform, melody(3))[0, 1] > 0.99


def test_numbers_that_are_not_finite_are_refused() -> None:
    wave = melody(3)
    wave[100] = np.nan
    target = io.BytesIO()
    soundfile.write(target, wave, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(Refused) as caught:
        read_song(target.getvalue())
    assert caught.value.problem.code == "not_finite"


def test_parts_of_a_track_join_without_a_seam_and_stay_within_the_ceiling() -> None:
    wave = melody(4, peak=0.9)
    factor = gain(wave)
    assert factor is not None
    at_once = pcm(wave, 2 * factor)
    assert pcm(wave[:30_001], 2 * factor) + pcm(wave[30_001:], 2 * factor) == at_once
    samples = np.frombuffer(at_once, dtype="<i2") / 32767
    assert np.abs(samples).max() <= CEILING


def test_the_gain_of_a_part_brings_it_to_the_common_loudness() -> None:
    wave = melody(4, peak=0.05)
    factor = gain(wave)
    assert factor is not None
    reached = np.frombuffer(pcm(wave, factor), dtype="<i2").astype(np.float32) / 32767
    assert pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(reached) == pytest.approx(LOUDNESS_LUFS, abs=0.5)
    assert gain(wave * 0) is None
