"""What a prompt says of tempo and key, and the clock that runs along the latents."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.music.plan import (
    CLOCK,
    KEY,
    PLAN_CHANNELS,
    TEMPI,
    UNSAID_BPM,
    Feel,
    Key,
    Metre,
    clock,
    drawn,
    key_of,
    metre_of,
    plan_of,
    scale,
)

PER_SECOND = 22_050 / 1024


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("slow piano, E flat minor", Key(3, True)),
        ("fiddle reel in D major, 120 bpm", Key(2, False)),
        ("C sharp minor waltz", Key(1, True)),
        ("F# major", Key(6, False)),
        ("C flat major", Key(11, False)),
        ("flute, minor key", None),
        ("in a minor key", None),
        ("a major success", None),
        ("", None),
    ],
)
def test_a_key_is_read_only_where_one_is_named(prompt: str, key: Key | None) -> None:
    assert key_of(prompt) == key


@pytest.mark.parametrize(
    ("prompt", "metre"),
    [
        ("rock, 120 bpm", Metre(0.5)),
        ("90BPM jig", Metre(60 / 90, 3.0)),
        ("slow waltz 60 bpm", Metre(1.0, 3.0)),
        ("20 bpm", None),
        ("999 bpm", None),
        ("fast rock", None),
    ],
)
def test_a_tempo_is_read_where_a_sensible_one_is_named(prompt: str, metre: Metre | None) -> None:
    assert metre_of(prompt) == metre


def test_what_is_not_said_is_zero() -> None:
    assert not plan_of("happy flute music", 10, PER_SECOND).any()
    assert plan_of("120 bpm", 10, PER_SECOND)[:, KEY].abs().sum() == 0
    keyed = plan_of("A minor", 10, PER_SECOND)
    assert keyed[:, CLOCK].abs().sum() == 0
    assert keyed.shape == (10, PLAN_CHANNELS)
    assert torch.equal(keyed[0, KEY], keyed[9, KEY])


MOVING = Feel(100.0, Key(2, False))


@pytest.mark.parametrize(
    ("prompt", "bpm", "key"),
    [
        ("", 100, Key(2, False)),
        ("warm flute", 100, Key(2, False)),
        ("slow flute, minor key", 50, Key(2, True)),
        ("fast Reel, Major key", 200, Key(2, False)),
        ("a sad harp", 100, Key(2, True)),
        ("a happy harp", 100, Key(2, False)),
        ("waltz in E flat minor, 90 bpm, fast", 90, Key(3, True)),
    ],
)
def test_what_a_prompt_leaves_open_is_the_songs(prompt: str, bpm: float, key: Key) -> None:
    metre = metre_of(prompt, MOVING)
    assert metre is not None
    assert metre.quarter_s == pytest.approx(60 / bpm)
    assert metre.quarters == (3 if "waltz" in prompt else 4)
    assert key_of(prompt, MOVING) == key


def test_a_happy_prompt_turns_a_minor_song_to_major() -> None:
    assert key_of("cheerful piano", Feel(100.0, Key(9, True))) == Key(9, False)
    assert key_of("piano", Feel(100.0, Key(9, True))) == Key(9, True)


@given(seed=st.integers(0, 2**63 - 1))
def test_a_track_moves_about_as_one_of_the_songs(seed: int) -> None:
    songs = [Feel(60.0, Key(0, False)), Feel(120.0, Key(7, True))]
    feel = drawn(songs, seed)
    assert feel == drawn(songs, seed)
    model = next(song for song in songs if song.key == feel.key)
    assert abs(feel.bpm / model.bpm - 1) <= 0.06


def test_seeds_draw_all_songs_and_differ_in_tempo() -> None:
    feels = [drawn([Feel(60.0, Key(0, False)), Feel(120.0, Key(7, True))], seed) for seed in range(20)]
    assert {feel.key for feel in feels} == {Key(0, False), Key(7, True)}
    assert len({feel.bpm for feel in feels}) == 20


@given(seed=st.integers(0, 2**63 - 1))
def test_without_songs_the_seed_draws_a_beat_and_a_key(seed: int) -> None:
    feel = drawn([], seed)
    assert feel == drawn([], seed)
    assert UNSAID_BPM[0] <= feel.bpm <= UNSAID_BPM[1]
    plan = plan_of("a harp", 10, PER_SECOND, feel)
    assert plan[:, CLOCK].any()
    assert (plan[:, KEY] > 0).sum() == 70


@given(
    tempo=st.sampled_from(TEMPI), quarters=st.sampled_from([2.0, 3.0, 4.0]),
    start=st.integers(0, 500), frames=st.integers(1, 60),
)  # fmt: skip
def test_the_clock_of_a_later_window_goes_on_where_the_first_stopped(
    tempo: int, quarters: float, start: int, frames: int
) -> None:
    metre = Metre(60 / tempo, quarters)
    whole = clock(metre, start + frames, PER_SECOND)
    later = clock(Metre(60 / tempo, quarters, start / PER_SECOND), frames, PER_SECOND)
    torch.testing.assert_close(whole[start:], later, atol=2e-3, rtol=0)


@given(tempo=st.sampled_from(TEMPI))
def test_the_clock_turns_once_a_quarter(tempo: int) -> None:
    turned = clock(Metre(60 / tempo), 200, PER_SECOND)
    angles = torch.atan2(turned[:, 0], turned[:, 1])
    steps = torch.remainder(angles.diff(), 2 * math.pi)
    expected = 2 * math.pi * tempo / 60 / PER_SECOND
    torch.testing.assert_close(steps, torch.full_like(steps, expected), atol=2e-3, rtol=0)


@given(tonic=st.integers(0, 11), minor=st.booleans())
def test_a_key_has_seven_notes_and_its_tonic_stands_out(tonic: int, minor: bool) -> None:
    notes = scale(Key(tonic, minor))
    assert (notes > 0).sum() == 7
    assert int(notes.argmax()) == tonic
    assert notes[(tonic + (3 if minor else 4)) % 12] == 0.5
