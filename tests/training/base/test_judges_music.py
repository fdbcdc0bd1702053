"""The estimators hear in made-up audio what was put into it."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.hearing.rhythm import rhythm
from serving.engine.hearing.style import TAGS
from training.base.arrange import Facts
from training.base.judges.adherence import InstrumentClassifier, tagger_auc, timbre
from training.base.judges.notes import Transcriber, key, note_f1, share_in_key
from training.base.judges.reconstruction import spectral_distance
from training.base.judges.repetition import repetition
from training.base.judges.tempo import tempo_fits
from training.base.render import SAMPLE_RATE

SECONDS = 10
TIME = torch.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
# C major, C minor.
SCALES = {False: (60, 62, 64, 65, 67, 69, 71, 72, 67, 64), True: (60, 62, 63, 65, 67, 68, 70, 72, 67, 63)}


def hertz(pitch: int) -> float:
    return 440 * 2 ** ((pitch - 69) / 12)


def melody(pitches: tuple[int, ...], partials: int = 4, every: float = 0.5) -> torch.Tensor:
    """Plucked notes one after the other, over and over, a second each at most [samples]."""
    audio = torch.zeros(len(TIME))
    for index in range(int(SECONDS / every)):
        start = int(index * every * SAMPLE_RATE)
        rest = TIME[: len(audio) - start]
        tone = sum(
            torch.sin(2 * torch.pi * hertz(pitches[index % len(pitches)]) * part * rest) / part
            for part in range(1, partials + 1)
        )
        audio[start:] += 0.1 * tone * torch.exp(-rest / 0.2)
    return audio


def hiss(seed: int) -> torch.Tensor:
    return torch.randn(len(TIME), generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber()


@pytest.mark.parametrize("bpm", [52, 77, 96, 120, 150, 185])
def test_the_tempo_of_notes_is_found(bpm: int) -> None:
    found, strength = rhythm(melody(SCALES[False], every=60 / bpm)[None], SAMPLE_RATE)
    assert tempo_fits(float(found), bpm, compound=False)
    assert float(strength) > 0.5


def test_noise_has_no_beat() -> None:
    _, strength = rhythm(torch.stack([hiss(seed) for seed in range(4)]), SAMPLE_RATE)
    assert float(strength.max()) < 0.3


@given(st.floats(40, 190), st.floats(-0.079, 0.079))
def test_the_rule_for_tempo_forgives_octaves_only(asked: float, error: float) -> None:
    found = asked * (1 + error)
    assert all(tempo_fits(found * ratio, asked, compound=False) for ratio in (0.5, 1, 2))
    assert not any(tempo_fits(asked * ratio, asked, compound=False) for ratio in (1 / 3, 2 / 3, 0.75, 1.25, 1.5, 3))
    assert tempo_fits(found * 2 / 3, asked, compound=True)
    assert not tempo_fits(asked * 0.85, asked, compound=True)


@pytest.mark.parametrize("minor", [False, True])
def test_notes_and_key_are_heard(transcriber: Transcriber, minor: bool) -> None:
    notes = transcriber.notes(melody(SCALES[minor]).numpy())
    assert set(SCALES[minor]) <= set(notes[:, 2].astype(int))
    assert key(notes) == (0, minor)
    assert share_in_key(notes, 0, minor=minor) > 0.9
    assert share_in_key(notes, 6, minor=minor) < 0.6
    onsets = np.sort(notes[np.isin(notes[:, 2], SCALES[minor]), 0])
    assert all(np.abs(onsets - index * 0.5).min() < 0.05 for index in range(1, 19))


def test_notes_are_lost_with_the_music(transcriber: Transcriber) -> None:
    music = melody(SCALES[False])
    original = transcriber.notes(music.numpy())
    other = transcriber.notes(melody(tuple(pitch + 1 for pitch in SCALES[False])).numpy())
    assert note_f1(original, original) == 1
    assert note_f1(original, transcriber.notes((music + 0.02 * hiss(0)).numpy())) > 0.8
    assert note_f1(original, other) < 0.3
    assert note_f1(original, original[:0]) == 0
    assert math.isnan(note_f1(original[:0], original))
    assert math.isnan(share_in_key(original[:0], 0, minor=False))


def test_what_comes_back_is_similar_to_itself() -> None:
    returning, noise = melody(SCALES[False]), hiss(1)
    wandering = melody(tuple(48 + (index * 7) % 37 for index in range(20)))
    found = repetition(torch.stack([returning, wandering, noise]), apart=2.0)
    assert found[0] > found[1] > found[2]
    assert found[0] > 0.8
    assert found[2] < 0.3


def test_instruments_are_told_apart() -> None:
    def sound(name: str, seed: int) -> torch.Tensor:
        start = 48 + seed % 24
        pitches = tuple(start + step for step in (0, 4, 7, 12))
        return melody(pitches, partials={"flute": 1, "violin": 12, "organ": 4}[name]) + 0.01 * hiss(seed)

    names = ["flute", "violin", "organ"] * 8
    features = timbre(torch.stack([sound(name, seed) for seed, name in enumerate(names)]))
    classifier = InstrumentClassifier(features, names)
    unheard = timbre(torch.stack([sound(name, 100 + seed) for seed, name in enumerate(names[:9])]))
    assert classifier.name(unheard) == names[:9]


def facts(instrument: str) -> Facts:
    return Facts("", (), instrument, accompanied=True, drums=False, bpm=100, pace="", key="C major",
                 minor=False, kind="", loud="")  # fmt: skip


def test_tags_that_follow_the_prompt_make_the_area_one() -> None:
    asked = [facts(name) for name in ("piano", "piano", "tuba", "tuba")]
    tags = torch.zeros(4, len(TAGS))
    assert tagger_auc(tags, asked) == 0.5
    tags[:2, TAGS.index("piano")] = 0.2
    assert tagger_auc(tags, asked) == 1
    assert tagger_auc(1 - tags, asked) == 0
    assert math.isnan(tagger_auc(tags[:1], asked[:1]))


def test_the_spectral_distance_grows_with_the_damage() -> None:
    music = torch.stack([melody(SCALES[False]), melody(SCALES[True])])
    noise = torch.stack([hiss(0), hiss(1)])
    distances = [spectral_distance(music, music + share * noise) for share in (0.0, 0.01, 0.1, 1.0)]
    assert distances[0].tolist() == [0, 0]
    assert all((first < second).all() for first, second in itertools.pairwise(distances))
