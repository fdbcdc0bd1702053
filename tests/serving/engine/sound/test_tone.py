"""A tone moves what was said by what was said, and nothing else; piece by piece it is the tone of the whole."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.hearing.sound import NAMES, sound_of
from serving.engine.sound.tone import Shelves
from tests.serving.sounds import melody

RATE = 22_050
DECIBELS = st.floats(-6, 6)
MUSIC = torch.from_numpy(melody(4))


def toned(samples: Tensor, bass_db: float, treble_db: float) -> Tensor:
    return Shelves(bass_db, treble_db, RATE).add(samples)


def gained(hertz: float, bass_db: float, treble_db: float) -> float:
    """Decibels by which a tone of one second is louder once it has settled."""
    tone = torch.sin(2 * math.pi * hertz * torch.arange(RATE) / RATE)
    late = slice(RATE // 2, None)
    found = toned(tone, bass_db, treble_db)[late].square().mean() / tone[late].square().mean()
    return 10 * math.log10(float(found))


@settings(max_examples=20, deadline=None)
@given(DECIBELS, DECIBELS)
def test_each_shelf_lifts_its_own_end_by_its_decibels_and_leaves_the_middle(bass_db: float, treble_db: float) -> None:
    assert gained(40, bass_db, treble_db) == pytest.approx(bass_db, abs=0.1)
    assert gained(8000, bass_db, treble_db) == pytest.approx(treble_db, abs=0.1)
    assert gained(630, bass_db, treble_db) == pytest.approx(0, abs=0.2)


@settings(max_examples=20, deadline=None)
@given(DECIBELS, DECIBELS, st.lists(st.integers(1, 4 * RATE - 1), max_size=4, unique=True))
def test_pieces_have_the_samples_of_the_whole(bass_db: float, treble_db: float, cuts: list[int]) -> None:
    shelves, edges = Shelves(bass_db, treble_db, RATE), (0, *sorted(cuts), len(MUSIC))
    pieces = [shelves.add(MUSIC[start:stop]) for start, stop in pairwise(edges)]
    assert torch.equal(torch.cat(pieces), toned(MUSIC, bass_db, treble_db))


def test_a_flat_tone_changes_no_sample_and_the_opposite_tone_takes_one_back() -> None:
    assert torch.equal(toned(MUSIC, 0, 0), MUSIC)
    torch.testing.assert_close(toned(toned(MUSIC, 5, -6), -5, 6), MUSIC, atol=1e-5, rtol=1e-4)


def test_what_is_said_of_sound_is_what_moves_in_the_engines_own_numbers() -> None:
    """Centroid in octaves, low end in nepers; the tempo, which no tone reaches, stays."""
    plain = sound_of(MUSIC, RATE)
    for name, bass_db, treble_db in (("centroid", 0, 6), ("low", 6, 0)):
        more, less = (sound_of(toned(MUSIC, sign * bass_db, sign * treble_db), RATE) - plain for sign in (1, -1))
        assert more[NAMES.index(name)] > 0.1
        assert less[NAMES.index(name)] < -0.1
        assert float(more[NAMES.index("tempo")]) == pytest.approx(0, abs=1e-3)
