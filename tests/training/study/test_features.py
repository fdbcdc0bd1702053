"""What the study measures in a track, on sounds whose answer is known."""

import math

import pytest
import torch

from tests.training.study.sounds import steady_noise
from training.study.features import NAMES, SAMPLE_RATE, Ear
from training.study.published import PublishedEar

SECONDS = 6


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear(PublishedEar())


def tone(hertz: float) -> torch.Tensor:
    return 0.3 * torch.sin(2 * math.pi * hertz * torch.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE)


def clicks(bpm: float) -> torch.Tensor:
    """Short decaying bursts, one a beat."""
    audio = 1e-4 * torch.randn(SECONDS * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    burst = torch.exp(-torch.arange(2000) / 300) * tone(900)[:2000]
    for start in range(0, SECONDS * SAMPLE_RATE - 2000, round(60 / bpm * SAMPLE_RATE)):
        audio[start : start + 2000] += burst
    return audio


def measured(ear: Ear, audio: torch.Tensor, name: str) -> float:
    return float(ear.hear(audio)[NAMES.index(name)])


def test_brightness_is_the_octave_of_a_tone(ear: Ear) -> None:
    assert measured(ear, tone(1000), "brightness") == pytest.approx(math.log2(1000), abs=0.3)


def test_bass_is_heard_in_low_tones_only(ear: Ear) -> None:
    assert measured(ear, tone(80), "bass") > -0.1
    assert measured(ear, tone(2000), "bass") < -3.0


@pytest.mark.parametrize("bpm", [75.0, 100.0, 140.0])
def test_tempo_of_clicks(ear: Ear, bpm: float) -> None:
    assert 60 * 2 ** measured(ear, clicks(bpm), "tempo") == pytest.approx(bpm, rel=0.04)


def test_onset_density_counts_clicks(ear: Ear) -> None:
    assert measured(ear, clicks(120), "onset_density") ** 2 == pytest.approx(2.0, abs=0.4)
    assert measured(ear, clicks(120), "onset_density") > measured(ear, clicks(75), "onset_density")


def test_clicks_have_a_beat_and_noise_has_none(ear: Ear) -> None:
    assert measured(ear, clicks(100), "beat_strength") > 0.4
    assert abs(measured(ear, steady_noise(clicks(100)), "beat_strength")) < 0.15


def test_tones_stand_out_of_the_floor_and_noise_of_any_colour_does_not(ear: Ear) -> None:
    noise = torch.randn(SECONDS * SAMPLE_RATE, generator=torch.Generator().manual_seed(2))
    chord = tone(220) + tone(277.2) + tone(329.6)
    assert measured(ear, noise, "tonal_clarity") < 8.0
    assert measured(ear, chord + 0.01 * noise, "tonal_clarity") > 15.0


def test_mode_tells_a_major_from_a_minor_scale(ear: Ear) -> None:
    def scale(steps: tuple[int, ...]) -> torch.Tensor:
        notes = [tone(261.6 * 2 ** (step / 12))[: SAMPLE_RATE // 2] for step in steps]
        return torch.cat(notes)

    major = scale((0, 4, 7, 12, 7, 4, 0, 2, 4, 5, 7, 12))
    minor = scale((0, 3, 7, 12, 7, 3, 0, 2, 3, 5, 7, 12))
    assert measured(ear, major, "mode") > 0.0 > measured(ear, minor, "mode")


def test_register_follows_the_loudest_partial(ear: Ear) -> None:
    assert measured(ear, tone(110), "register") == pytest.approx(math.log2(110), abs=0.15)
    assert measured(ear, tone(880), "register") - measured(ear, tone(440), "register") == pytest.approx(1.0, abs=0.1)


def test_dynamics_grow_when_every_other_second_is_soft(ear: Ear) -> None:
    soft = torch.ones(SECONDS, SAMPLE_RATE)
    soft[1::2] = 0.1
    assert measured(ear, tone(440), "dynamics") < 1.0
    assert measured(ear, tone(440) * soft.flatten(), "dynamics") > 6.0


def test_a_band_is_fuller_than_a_tone(ear: Ear) -> None:
    band = sum((tone(110 * 2**octave) for octave in range(6)), torch.zeros(SECONDS * SAMPLE_RATE))
    assert measured(ear, band, "fullness") > measured(ear, tone(440), "fullness") + 0.3


def test_the_published_ear_tells_an_electronic_buzz_from_a_soft_tone(ear: Ear) -> None:
    buzz = tone(110).sign() * (clicks(130).abs() > 0.01)
    assert measured(ear, tone(440), "acousticness") > measured(ear, buzz, "acousticness")
