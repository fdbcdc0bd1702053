"""Tempo and key of a song are heard as they were played."""

import pytest
import torch
from torch import Tensor

from serving.engine.feel import tempo_and_key
from serving.engine.plan import Key

RATE = 22_050
# Chords of a cadence as semitones above the tonic, and what of them is lower in minor.
CADENCE = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
FLATTENED = {4: 3, 9: 8}


def played(tonic: int, minor: bool, bpm: float, seconds: float) -> Tensor:
    """A cadence, over and over, a chord a beat [samples]."""
    time = torch.arange(round(seconds * RATE)) / RATE
    beat = (time * bpm / 60).long()
    since = time - beat * 60 / bpm
    voices = []
    for chord in range(len(CADENCE)):
        steps = [FLATTENED.get(step, step) if minor else step for step in CADENCE[chord]]
        hertz = [261.63 * 2 ** ((tonic + step) / 12) for step in steps]
        sound = sum(torch.sin(2 * torch.pi * pitch * part * time) / part for pitch in hertz for part in (1, 2, 3))
        voices.append(sound * (beat % len(CADENCE) == chord))
    heard: Tensor = 0.1 * torch.stack(voices).sum(0) * torch.exp(-5 * since)
    return heard


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("minor", [False, True])
def test_every_key_is_told_from_all_others(tonic: int, minor: bool) -> None:
    assert tempo_and_key(played(tonic, minor, 120, 12), RATE)[1] == Key(tonic, minor)


@pytest.mark.parametrize("bpm", [70, 96, 132])
@pytest.mark.parametrize("seconds", [3, 15])
def test_the_tempo_is_heard_in_short_songs_too(bpm: int, seconds: int) -> None:
    found, _ = tempo_and_key(played(2, False, bpm, seconds), RATE)
    assert min(abs(found / bpm / octave - 1) for octave in (0.5, 1, 2)) < 0.05


def test_silence_and_noise_have_some_tempo_and_key() -> None:
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    for sound in (torch.zeros(RATE), noise):
        bpm, key = tempo_and_key(sound, RATE)
        assert 37 < bpm < 210
        assert key.tonic in range(12)
