"""Twenty numbers of a sound: level and length are no part of them, and each kind answers to what it is named after."""

import torch
from torch import Tensor

from serving.engine.hearing.sound import CHANGE, SHAPE, SOUND_SIZE, SPREAD, STRETCH_S, sound_of

RATE = 22_050
TEMPO, BEAT, MODE, SWING = range(SHAPE + SPREAD + CHANGE, SOUND_SIZE)


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


def test_tempo_beat_mode_and_spectrum_answer_to_what_they_are_named_after() -> None:
    slow, fast, noise = sound_of(clicks(80), RATE), sound_of(clicks(120), RATE), sound_of(torch.randn(4 * RATE), RATE)
    assert abs(float(fast[TEMPO] - slow[TEMPO]) - 0.585) < 0.05
    assert float(fast[BEAT]) > float(noise[BEAT]) + 0.3
    assert float(sound_of(chord(0, 4, 7), RATE)[MODE]) > float(sound_of(chord(0, 3, 7), RATE)[MODE]) + 0.1
    bright, dark = (torch.sin(2 * torch.pi * hertz * time(4)) for hertz in (3000, 150))
    assert float((sound_of(bright, RATE)[:SHAPE] - sound_of(dark, RATE)[:SHAPE]).norm()) > 0.1
    assert float(sound_of(clicks(120) * (time(8) % 4 / 4), RATE)[SWING]) > float(noise[SWING]) + 0.05
