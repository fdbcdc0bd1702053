"""Tempo and key of a song are heard as they were played."""

import pytest
import torch
from torch import Tensor

from serving.engine.hearing.feel import feel_heard, metre_heard
from serving.engine.music.plan import Key

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
    assert feel_heard(played(tonic, minor, 120, 12), RATE).key == Key(tonic, minor)


@pytest.mark.parametrize("bpm", [70, 96, 132])
@pytest.mark.parametrize("seconds", [3, 15])
def test_the_tempo_is_heard_in_short_songs_too(bpm: int, seconds: int) -> None:
    found = feel_heard(played(2, False, bpm, seconds), RATE).bpm
    assert min(abs(found / bpm / octave - 1) for octave in (0.5, 1, 2)) < 0.05


def test_silence_and_noise_have_some_tempo_and_key() -> None:
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    for sound in (torch.zeros(RATE), noise):
        feel = feel_heard(sound, RATE)
        assert 37 < feel.bpm < 210
        assert feel.key.tonic in range(12)


@pytest.mark.parametrize("bpm", [70, 112])
@pytest.mark.parametrize("late", [0.0, 0.3, 1.1])
def test_bars_begin_where_they_were_played(bpm: int, late: float) -> None:
    quarter = 60 / bpm
    loud = (torch.arange(round(10 * RATE)) / RATE / quarter).long() % 4 == 0
    song = played(0, False, bpm, 10) * torch.where(loud, 2.0, 1.0)
    silence = torch.zeros(round(late * RATE))
    metre = metre_heard(torch.cat([silence, song])[: len(song)], RATE, bpm * 1.01)
    assert metre.quarter_s == pytest.approx(quarter, rel=0.01)
    # Of a bar; what is missing on one side of a bar line is on the other.
    off = (late + metre.offset_s) / (4 * quarter) % 1
    assert min(off, 1 - off) < 0.05


def test_a_song_of_one_second_has_a_metre() -> None:
    assert metre_heard(played(0, False, 60, 1), RATE, 40.0).quarter_s == pytest.approx(1.5, rel=0.03)
