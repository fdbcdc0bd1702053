"""Seventeen numbers of a sound: level and length are no part of them, and each answers to what it is named after."""

import torch
from torch import Tensor

from serving.engine.hearing.sound import NAMES, SOUND_SIZE, STRETCH_S, sound_of

RATE = 22_050


def time(seconds: float) -> Tensor:
    return torch.arange(round(seconds * RATE)) / RATE


def clicks(bpm: float, seconds: float = 8.0) -> Tensor:
    beat = time(seconds) % (60 / bpm)
    return torch.sin(2 * torch.pi * 880 * beat) * torch.exp(-30 * beat)


def chord(*semitones: int) -> Tensor:
    return sum((torch.sin(2 * torch.pi * 261.63 * 2 ** (each / 12) * time(4)) for each in semitones), torch.zeros(1))


def test_neither_level_nor_length_changes_what_is_heard() -> None:
    sound = clicks(120)
    found = sound_of(sound, RATE)
    torch.testing.assert_close(sound_of(0.05 * sound, RATE), found, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(sound_of(sound.repeat(2), RATE), found, atol=1e-3, rtol=1e-3)


def test_what_is_shorter_than_a_stretch_or_silent_is_heard_all_the_same() -> None:
    for sound in (clicks(120, STRETCH_S / 4), torch.zeros(RATE), torch.zeros(10)):
        found = sound_of(sound, RATE)
        assert found.shape == (SOUND_SIZE,)
        assert bool(found.isfinite().all())


def number(name: str, sound: Tensor) -> float:
    return float(sound_of(sound, RATE)[NAMES.index(name)])


def test_tempo_beat_and_mode_answer_to_what_they_are_named_after() -> None:
    assert abs(number("tempo", clicks(120)) - number("tempo", clicks(80)) - 0.585) < 0.05
    noise = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    assert number("beat", clicks(120)) > number("beat", noise) + 0.3
    assert number("mode", chord(0, 4, 7)) > number("mode", chord(0, 3, 7)) + 0.1


def test_noise_over_a_tone_shows_as_less_contrast() -> None:
    noise = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    clear = sum((torch.sin(2 * torch.pi * 261.63 * each * time(4)) / each for each in range(1, 13)), torch.zeros(1))
    covered = clear + 0.3 * noise
    for octave in ("contrast_200", "contrast_400", "contrast_800", "contrast_1600"):
        assert number(octave, clear) > number(octave, covered) + 3


def test_onsets_are_counted_and_stand_out() -> None:
    assert abs(number("onsets", clicks(240)) ** 2 - 4) < 0.5
    assert abs(number("onsets", clicks(120)) ** 2 - 2) < 0.5
    for name in ("prominence", "attack"):
        assert number(name, clicks(120)) > number(name, chord(0, 4, 7) + 0.1 * torch.randn(4 * RATE)) + 1


def test_spectrum_low_end_fullness_and_what_is_struck_answer_too() -> None:
    bright, dark = (torch.sin(2 * torch.pi * hertz * time(4)) for hertz in (3000, 150))
    noise = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    assert number("centroid", bright) > number("centroid", dark) + 2
    assert number("low", dark) > number("low", bright) + 3
    assert number("fullness", noise) > number("fullness", bright) + 1
    assert number("struck", clicks(120)) > number("struck", chord(0, 4, 7)) + 1
    assert number("change", clicks(240)) > number("change", chord(0, 4, 7)) + 0.01
