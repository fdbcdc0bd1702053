"""Target replacement and weights, on cases that can be followed by hand."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.training.examples import facts, track
from training.methods.weighted_sft import GOOD_STARS, TARGETS_PER_PROMPT, examples, offset, survivors, weight


def test_songs_come_first_with_full_weight_and_no_prompt() -> None:
    made = examples(facts(1, (5,), songs=2))
    assert [(e.prompt, e.weight) for e in made[:2]] == [("", 1.0), ("", 1.0)]
    assert made[2].source == UUID(int=100)


def test_a_better_track_takes_the_place_of_the_worst_target_of_its_prompt() -> None:
    population = tuple(track(n, 4, "calm piano") for n in range(TARGETS_PER_PROMPT))
    assert {t.track_id.int for t in survivors(population)} == set(range(TARGETS_PER_PROMPT))
    replaced = {t.track_id.int for t in survivors((*population, track(50, 5, " Calm  PIANO")))}
    assert 50 in replaced
    assert len(replaced) == TARGETS_PER_PROMPT
    other = survivors((*population, track(50, 5, "fast drums")))
    assert len(other) == TARGETS_PER_PROMPT + 1


def test_middle_is_drawn_to_the_scale_while_ratings_are_few() -> None:
    assert offset(()) == 3.0
    assert offset((track(1, 5),)) == 3.0 + 2.0 / 6
    assert abs(offset(tuple(track(n, 5) for n in range(995))) - 4.99) < 1e-9


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_only_what_is_above_the_middle_or_good_is_learned_from(stars: list[int]) -> None:
    tracks = tuple(track(n, value, f"prompt {n}") for n, value in enumerate(stars))
    middle = offset(tracks)
    kept = survivors(tracks)
    assert all(t.stars > middle or t.stars >= GOOD_STARS for t in kept)
    assert len(kept) == sum(value > middle or value >= GOOD_STARS for value in stars)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(0, 3))
def test_songs_outweigh_tracks(stars: list[int], songs: int) -> None:
    alone = examples(facts(1, tuple(stars), songs=0))
    made = examples(facts(1, tuple(stars), songs=songs))[songs:]
    assert [example.source for example in made] == [example.source for example in alone]
    assert all(0 < example.weight <= plain.weight for example, plain in zip(made, alone, strict=True))
    if songs:
        assert sum(example.weight for example in made) <= 0.1 * songs + 1e-4


@given(st.integers(1, 4), st.floats(1, 5), st.one_of(st.none(), st.floats(0, 1)))
def test_weight_grows_with_the_stars_and_stays_within_bounds(stars: int, middle: float, heard: float | None) -> None:
    lower, higher = (weight(track(1, value, heard=heard), middle) for value in (stars, stars + 1))
    assert 0 < lower <= higher <= 1


@given(st.floats(0, 0.99))
def test_what_was_heard_is_a_weak_factor(heard: float) -> None:
    part, whole = (weight(track(1, 5, heard=fraction), 3.0) for fraction in (heard, 1.0))
    assert part <= whole
    assert part >= 0.7 * whole
    assert weight(track(1, 5, heard=0.0), 3.0) > weight(track(1, 4, heard=1.0), 3.0)
