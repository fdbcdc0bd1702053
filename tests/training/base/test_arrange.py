"""What a caption may say is true of the score, and the same seed gives the same score."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.base.arrange import arrange
from training.base.captions import ANYTHING, MOODS, caption, moods, roles, tag_caption
from training.base.harmony import harmonise, with_sevenths
from training.base.score import CHORDS, DRUMS, LEAD, Tempo
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
    said = {caption(made.facts, rng) for _ in range(90)}
    assert len(said) > 20
    assert sum("piano" in text for text in said) > 0.6 * len(said)
    assert not any(other in text for text in said for other in ("violin", "flute", "with drums"))
    loud = replace(made.facts, drums=True)
    assert not any("no drums" in caption(loud, rng) for _ in range(60))


def test_some_captions_say_nothing_and_all_are_short() -> None:
    rng = np.random.default_rng(0)
    said = [caption(arrange(TUNE, rng).facts, rng) for _ in range(400)]
    assert 0.03 < sum(text in ANYTHING for text in said) / len(said) < 0.15
    assert max(len(text.replace(",", " ,").split()) for text in said) <= 22


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_moods_and_roles_follow_their_rule(seed: int) -> None:
    facts = arrange(TUNE, np.random.default_rng(seed)).facts
    said, role = moods(facts), roles(facts)
    assert set(MOODS[facts.pace, facts.minor]) <= set(said)
    assert facts.pace == "slow" or facts.loud == "soft" or "calm" not in said
    assert not ({"sad", "dark", "melancholy"} & set(said)) or facts.minor
    assert not ({"happy", "cheerful", "grand"} & set(said)) or not facts.minor
    assert "for dancing" not in role or (facts.drums and facts.pace != "slow")
    assert "as a lullaby" not in role or (facts.pace == "slow" and not facts.drums)


@pytest.mark.parametrize(("bar", "pulse"), [(4.0, 1.0), (3.0, 1.5), (3.0, 1.0), (2.0, 1.0), (4.5, 1.5)])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_scores_keep_to_the_plan(bar: float, pulse: float, seed: int) -> None:
    tune = replace(TUNE, bar=bar, pulse=pulse)
    made = arrange(tune, np.random.default_rng(seed))
    assert all(note.start >= 0 and note.length > 0 for note in made.notes)
    assert all(12 <= note.pitch <= 115 and 1 <= note.velocity <= 127 for note in made.notes)
    lead = sorted((note for note in made.notes if note.channel == LEAD), key=lambda note: note.start)
    places = made.tempo.quarters(np.array([note.start for note in lead]))
    # Eighths of the tune: those on a quarter lie on the plan's quarter, within what hands are late by.
    on_quarter = places[::2] - round(places[0] / bar) * bar
    assert np.abs(on_quarter - np.arange(30)).max() * made.tempo.beat < 0.03
    for chord in made.chords:
        assert chord.root == chord.tones[0]
    heard = [note for note in made.notes if note.channel == CHORDS]
    for note in heard if made.facts.style not in ("indian", "rock") else ():
        place = float(made.tempo.quarters(np.array([note.start + 0.04]))[0])
        fits = [chord for chord in made.chords if chord.onset - 0.1 <= place < chord.onset + chord.length + 0.1]
        assert any(note.pitch % 12 in chord.tones for chord in fits)


@given(st.floats(0.3, 1.5), st.floats(0.0, 60.0), st.floats(1.0, 12.0), st.floats(0.0, 0.8), st.floats(0.0, 80.0))
def test_tempo_is_inverted(beat: float, slows_at: float, over: float, by: float, quarter: float) -> None:
    tempo = Tempo(beat, slows_at, over, by)
    found = tempo.quarters(np.array([tempo.seconds(quarter)]))
    assert found[0] == pytest.approx(quarter, abs=1e-6)
    assert tempo.seconds(quarter + 0.5) > tempo.seconds(quarter)


def test_the_lead_is_in_front() -> None:
    for seed in range(20):
        made = arrange(TUNE, np.random.default_rng(seed))
        loud = {
            channel: np.mean([note.velocity for note in made.notes if note.channel == channel])
            for channel in {note.channel for note in made.notes}
        }
        assert all(loud[LEAD] > other + 5 for channel, other in loud.items() if channel != LEAD)


def test_sevenths_are_of_the_scale() -> None:
    chords = with_sevenths(harmonise(TUNE.parts[0], 4.0, tonic=0, minor=False), 0, minor=False)
    assert all(len(chord.tones) == 4 for chord in chords)
    assert all(set(chord.tones) <= {0, 2, 4, 5, 7, 9, 11} for chord in chords)


def test_recordings_are_described_by_their_tags() -> None:
    text = tag_caption([("piano", 0.9), ("rock", 0.01)], "orchestral", np.random.default_rng(0))
    assert "piano" in text
    assert "rock" not in text
