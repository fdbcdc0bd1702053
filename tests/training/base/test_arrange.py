"""What a caption may say is true of the score, and the same seed gives the same score."""

from dataclasses import replace

import numpy as np
import pytest

from training.base.arrange import DRUMS, LEAD, arrange
from training.base.captions import caption, tag_caption
from training.base.harmony import harmonise
from training.base.styles import ENSEMBLES, LEADS, RANGES, Ensemble
from training.base.tunes import Tune

SCALE = [0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2, 0]
TUNE = Tune(
    title="A Scale",
    collection="ryansMammoth",
    kind="reel",
    tonic=0,
    minor=False,
    bar=4.0,
    parts=[[(i * 0.5, 0.5, 60 + SCALE[i % len(SCALE)]) for i in range(60)]],
)


def test_same_seed_same_score() -> None:
    first, second = (arrange(TUNE, np.random.default_rng(5)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda each: each.name)
def test_facts_are_true(ensemble: Ensemble) -> None:
    for seed in range(8):
        made = arrange(TUNE, np.random.default_rng(seed), ensemble)
        channels = {note.channel for note in made.notes}
        assert made.facts.drums == (DRUMS in channels)
        assert made.facts.accompanied == (len(channels - {LEAD, DRUMS}) > 0)
        assert made.facts.instrument == LEADS[made.programs[LEAD]]
        lead = sorted(note.start for note in made.notes if note.channel == LEAD)
        rate = (len(lead) - 1) / (lead[-1] - lead[0])
        assert made.facts.pace == "slow" or rate > 1.8
        assert made.facts.pace == "fast" or rate < 4.4


def test_every_lead_has_a_name_and_a_range() -> None:
    for ensemble in ENSEMBLES:
        assert set(ensemble.leads) <= set(LEADS)
        assert set(ensemble.leads) <= set(RANGES)


def test_pitches_are_playable() -> None:
    for seed in range(40):
        made = arrange(TUNE, np.random.default_rng(seed))
        assert all(20 <= note.pitch <= 110 for note in made.notes)
        assert all(1 <= note.velocity <= 127 and note.length > 0 for note in made.notes)


def test_harmony_begins_and_ends_at_home_and_is_in_key() -> None:
    chords = harmonise(TUNE.parts[0], 4.0, tonic=0, minor=False)
    assert chords[0].root == 0
    assert chords[-1].root == 0
    assert all(set(chord.tones) <= {0, 2, 4, 5, 7, 9, 11} for chord in chords)
    assert sum(chord.length for chord in chords) >= TUNE.quarters


def test_captions_say_only_facts() -> None:
    made = arrange(TUNE, np.random.default_rng(1), ENSEMBLES[0])
    rng = np.random.default_rng(0)
    said = {caption(made.facts, rng) for _ in range(60)}
    assert len(said) > 20
    assert all("piano" in text for text in said)
    loud = replace(made.facts, drums=True)
    assert not any("no drums" in caption(loud, rng) for _ in range(60))


def test_recordings_are_described_by_their_tags() -> None:
    text = tag_caption([("piano", 0.9), ("rock", 0.01)], "orchestral", np.random.default_rng(0))
    assert "piano" in text
    assert "rock" not in text
