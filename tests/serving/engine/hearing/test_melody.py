"""A tune is known again at another pitch and pace, and other tunes, drones and silence are not taken for it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from serving.engine.hearing.melody import LEAST_S, NOTES, notes_of, repeated
from serving.originals import MOST

RATE = 22_050


def tune(seed: int, seconds: float = 12.0, turned: int = 0, pace: float = 1.0) -> Tensor:
    """Plucked notes of a major scale and a quiet bass, drawn from the seed [samples]."""
    draw, sounds = np.random.default_rng(seed), np.zeros(round(seconds / pace * RATE))
    begin = 0.0
    while begin < seconds:
        length = float(draw.choice([0.25, 0.25, 0.5, 0.75]))
        note = 60 + int(draw.choice([0, 2, 4, 5, 7, 9, 11, 12])) + turned
        start = round(begin / pace * RATE)
        time = np.arange(min(round(length / pace * RATE), len(sounds) - start)) / RATE
        for octave, loud in ((0, 1.0), (1, 0.5), (-1, 0.3)):
            sounds[start : start + len(time)] += (
                loud * np.exp(-3 * time) * np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12 + octave) * time)
            )
        begin += length
    return torch.from_numpy(0.2 * sounds).float()


def closeness(one: Tensor, two: Tensor) -> float:
    return repeated(notes_of(one, RATE), notes_of(two, RATE))


@pytest.mark.parametrize(("turned", "pace"), [(0, 1.0), (1, 1.0), (-1, 1.0), (0, 0.95), (0, 1.05), (1, 1.05)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_stretch_of_a_tune_is_found_in_it(seed: int, turned: int, pace: float) -> None:
    changed = tune(seed, turned=turned, pace=pace)
    begin = round(1.37 * RATE)  # at no frame's border
    assert closeness(changed[begin : begin + 9 * RATE], tune(seed)) >= MOST


def test_other_tunes_of_the_same_notes_are_not_taken_for_it() -> None:
    notes = [notes_of(tune(seed), RATE) for seed in range(8)]
    others = [repeated(one[5:50], two) for one in notes for two in notes if one is not two]
    assert max(others) < MOST


def test_what_does_not_move_repeats_nothing() -> None:
    time = torch.arange(10 * RATE) / RATE
    drone = 0.3 * torch.sin(2 * torch.pi * 220 * time)
    for still in (drone, torch.zeros(10 * RATE)):
        assert closeness(still, still) == 0.0
        assert closeness(still, tune(1)) == closeness(tune(1), still) == 0.0


def test_less_than_six_seconds_are_anybodys() -> None:
    short = tune(1)[: round((LEAST_S - 0.5) * RATE)]
    assert closeness(short, tune(1)) == closeness(tune(1), short) == 0.0
    assert closeness(tune(1)[: round((LEAST_S + 0.5) * RATE)], tune(1)) >= MOST


def test_level_does_not_matter_and_notes_stay_within_their_range() -> None:
    one = tune(4)
    assert closeness(0.01 * one, one) > 0.99
    notes = notes_of(one, RATE)
    assert notes.shape[1] == NOTES
    assert 0 <= float(notes.min()) <= float(notes.max()) <= 1
    assert len(notes) == pytest.approx(12 * 5, abs=2)


def test_a_fraction_of_a_second_has_notes_too() -> None:
    assert notes_of(torch.zeros(100), RATE).shape == (1, NOTES)
