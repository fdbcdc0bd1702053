"""A line is told from a drone, from a repeated note and from leaps that nobody sings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.base.judges.melody import is_followed
from training.base.judges.notes import Notes


def line(pitches: list[int], length: float = 0.5, gap: float = 0.05) -> Notes:
    return np.array([(n * length, (n + 1) * length - gap, pitch) for n, pitch in enumerate(pitches)]).reshape(-1, 3)


SCALE = [60, 62, 64, 65, 67, 65, 64, 62, 60, 62]


@pytest.mark.parametrize(
    ("notes", "followed"),
    [
        (line(SCALE), True),
        (line(SCALE, length=0.3), False),  # three seconds
        (line(SCALE, gap=0.45), False),  # pauses longer than notes
        (line([60] * 10), False),
        (line([40, 60, 42, 63, 41, 62, 44, 65, 43, 64]), False),
        (np.array([(0.0, 9.0, pitch) for pitch in (48, 52, 55, 60)]), False),
        (np.zeros((0, 3)), False),
    ],
)
def test_what_is_a_line(notes: Notes, followed: bool) -> None:
    assert is_followed(notes) is followed


@given(
    chords=st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 5), st.integers(30, 50)), max_size=8),
    up=st.integers(-12, 12),
)
def test_what_sounds_beside_it_hides_no_line(chords: list[tuple[float, float, int]], up: int) -> None:
    beside = np.array([(start, start + length, pitch) for start, length, pitch in chords]).reshape(-1, 3)
    assert is_followed(np.concatenate([line([pitch + up for pitch in SCALE]), beside]))
