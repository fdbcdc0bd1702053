"""What people own becomes sound of the right length, whatever their program wrote into the headers."""

import numpy as np
import pytest

from schemas.generation import SAMPLE_RATE
from serving.audio import read_song
from serving.errors import Refused
from tests.cases import REFUSED, RIGHT, case
from tests.serving.sounds import CODED, coded, encoded, melody


def code_of(data: bytes) -> str:
    """How these bytes are refused, with words for people: no name of a library, no error of it."""
    with pytest.raises(Refused) as caught:
        read_song(data)
    problem = caught.value.problem
    assert (caught.value.status, problem.field) == (422, "file")
    assert problem.expected
    assert problem.message.endswith(".")
    assert not {"av", "libav", "errno", "avcodec", "ffmpeg"} & set(problem.message.lower().split())
    return problem.code


@pytest.mark.parametrize(("name", "seconds"), RIGHT.items())
def test_a_file_of_a_stranger_has_its_right_length(name: str, seconds: float) -> None:
    assert read_song(case(name)).seconds == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_a_codec_that_is_not_taken_is_named(name: str, code: str) -> None:
    assert code_of(case(name)) == code


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("kind", CODED)
def test_every_kind_is_heard_whole_and_right(kind: str, layout: str) -> None:
    rate = 16_000 if layout == "mono" and kind != "opus" else 48_000
    song = read_song(coded(melody(3, rate), kind, rate, layout))
    assert song.seconds == pytest.approx(3, abs=0.1)
    heard, meant = song.waveform[: 3 * SAMPLE_RATE], melody(3)
    size = 2 * 2**16
    spectrum = np.fft.rfft(heard, size).conj() * np.fft.rfft(meant, size)
    # The highest correlation at any delay: encoders put some silence before the sound.
    assert np.fft.irfft(spectrum).max() > 0.9 * np.linalg.norm(heard) * np.linalg.norm(meant)


CHAINS = {
    "another rate and layout": [("ogg", 44_100, 2, 3.0), ("ogg", 22_050, 1, 2.0), ("ogg", 44_100, 2, 1.0)],
    "another codec": [("ogg", 44_100, 2, 3.0), ("opus", 48_000, 2, 2.0), ("ogg-flac", 48_000, 1, 1.5)],
    "the same stream again": [("ogg", 44_100, 2, 2.0)] * 3,
    "many links": [("opus", 48_000, 1, 0.5)] * 12,
}


@pytest.mark.parametrize("links", CHAINS.values(), ids=CHAINS)
def test_a_chained_ogg_is_heard_to_its_end(links: list[tuple[str, int, int, float]]) -> None:
    made = [
        encoded(melody(seconds, rate), rate, "OGG", channels)
        if kind == "ogg"
        else coded(melody(seconds, rate), kind, rate, "stereo" if channels == 2 else "mono")
        for kind, rate, channels, seconds in links
    ]
    whole = read_song(b"".join(made))
    assert whole.seconds == pytest.approx(sum(seconds for *_, seconds in links), abs=0.1)
    broken = read_song(b"".join(made) + made[0][:60])
    assert broken.seconds == pytest.approx(whole.seconds)


def test_an_mp3_that_changes_on_its_way_is_heard_to_its_end() -> None:
    first, second = coded(melody(2, 48_000), "mp3"), coded(melody(2, 22_050), "mp3", 22_050, "mono")
    assert read_song(first + second).seconds == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("channels", [3, 5, 6, 8])
def test_many_channels_become_one(channels: int) -> None:
    assert read_song(encoded(melody(2), channels=channels)).seconds == 2
    assert code_of(encoded(melody(2), channels=9)) == "too_many_channels"


@pytest.mark.parametrize("other", [-1.0, -0.9])
def test_channels_that_cancel_are_heard(other: float) -> None:
    song = read_song(encoded(np.stack([melody(3), other * melody(3) + 0.2], 1)))
    assert np.corrcoef(song.waveform, melody(3))[0, 1] > 0.99


@pytest.mark.parametrize("dc", [0.4, -0.3])
def test_dc_is_taken_away_before_the_level_is_set(dc: float) -> None:
    song = read_song(encoded(melody(3, peak=0.05) + np.float32(dc)))
    assert abs(song.waveform.mean()) < 1e-3
    assert song.loudness_lufs == pytest.approx(-16, abs=0.3)
    assert np.corrcoef(song.waveform, melody(3))[0, 1] > 0.98


def test_dc_that_begins_on_the_way_is_taken_away_too() -> None:
    step = np.where(np.arange(3 * SAMPLE_RATE) > SAMPLE_RATE, 0.3, 0).astype(np.float32)
    song = read_song(encoded(melody(3, peak=0.05) + step))
    after = slice(int(1.2 * SAMPLE_RATE), None)
    assert abs(song.waveform[after].mean()) < 1e-3
    assert np.corrcoef(song.waveform[after], melody(3)[after])[0, 1] > 0.98


@pytest.mark.parametrize(("rate", "code"), [(7_999, "unsupported_rate"), (192_001, "unsupported_rate")])
def test_rates_have_bounds(rate: int, code: str) -> None:
    assert code_of(encoded(melody(2, rate), rate)) == code


@pytest.mark.parametrize("rate", [8_000, 11_025, 96_000, 192_000])
def test_rates_within_the_bounds_are_taken(rate: int) -> None:
    assert read_song(encoded(melody(2, rate), rate)).seconds == pytest.approx(2, abs=0.01)


def test_a_file_that_is_something_else_is_no_audio() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    script = b"ffconcat version 1.0\nfile '/etc/passwd'\n"
    for data in (
        playlist,
        script,
        b"words" * 100,
        bytes(5000),
        b"\x89PNG\r\n\x1a\n" + bytes(999),
        b"x",
    ):
        assert code_of(data) == "not_audio"
    assert code_of(encoded(melody(3), kind="AIFF")) == "not_audio"
