"""Who takes part in a study."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.study.sounds import steady_noise
from training.study.features import MEASURED, NAMES, QUALITIES, SAMPLE_RATE, Ear
from training.study.population import (
    SONGS_EACH,
    Person,
    Scale,
    Song,
    load_songs,
    load_waveform,
    measure,
    populate,
    stretches,
)
from training.study.published import PublishedEar
from training.study.taste import Vector


def songs(styles: int, each: int) -> list[Song]:
    return [Song(Path(f"{style}-{i}.ogg"), f"style {style}") for style in range(styles) for i in range(each)]


def heard(of: list[Song]) -> dict[Path, Vector]:
    rng = np.random.default_rng(0)
    return {song.path: rng.normal(size=len(NAMES)) for song in of}


SECONDS = 4.0
SCALE = Scale(np.zeros(len(NAMES)), np.ones(len(NAMES)))


def test_listeners_are_dealt_evenly_over_cohorts_and_bring_songs_of_their_own() -> None:
    library = songs(5, 6)
    people = populate(library, heard(library), SCALE, listeners=12, cohorts=3, seed=3)
    assert sorted(Counter(person.attributes["home"] for person in people).values()) == [4, 4, 4]
    for person in people:
        styles = {song.style for song in library if song.path in person.songs}
        assert len(set(person.songs)) == SONGS_EACH
        assert styles == {person.attributes["home"]}


def test_the_same_seed_makes_the_same_people() -> None:
    library = songs(4, 4)
    one, two = (populate(library, heard(library), SCALE, listeners=6, cohorts=2, seed=9) for _ in range(2))
    assert [p.songs for p in one] == [p.songs for p in two]
    assert all(np.array_equal(a.taste.ideal, b.taste.ideal) for a, b in zip(one, two, strict=True))


def test_too_few_styles_are_refused_with_the_numbers() -> None:
    library = songs(2, 3)
    with pytest.raises(ValueError, match="3 cohorts need as many styles"):
        populate(library, heard(library), SCALE, listeners=6, cohorts=3, seed=0)


def test_the_shipped_songs_serve_at_least_three_cohorts() -> None:
    library = load_songs()
    assert all(song.path.is_file() for song in library)
    enough = [style for style, count in Counter(song.style for song in library).items() if count >= SONGS_EACH]
    assert len(enough) >= 3


@pytest.fixture(scope="module")
def shipped() -> tuple[Ear, dict[Path, Vector], Scale, list[Person]]:
    """Listeners of every shipped style."""
    library, ear = load_songs(), Ear(PublishedEar())
    features, scale = measure(ear, library, SECONDS)
    styles = len({song.style for song in library})
    return ear, features, scale, populate(library, features, scale, listeners=styles, cohorts=styles, seed=5)


def test_noise_with_the_spectrum_of_a_song_satisfies_far_less_than_the_song(
    shipped: tuple[Ear, dict[Path, Vector], Scale, list[Person]],
) -> None:
    ear, features, scale, people = shipped
    # Who brings a song with neither beat nor clear tones, such as the softest choir, forgives their absence.
    used_to_either = [person for person in people if person.taste.least.max() > -1.0]
    assert len(used_to_either) >= len(people) - 1
    for person in used_to_either:
        song = person.songs[0]
        noise = ear.hear(steady_noise(stretches(load_waveform(song), SECONDS)[0])).double().numpy()
        liked, heard_as_noise = (
            person.taste.satisfaction(scale.standardise(heard)) for heard in (features[song], noise)
        )
        assert heard_as_noise < 0.5 * liked, person.attributes


def test_own_songs_are_liked_better_than_most(
    shipped: tuple[Ear, dict[Path, Vector], Scale, list[Person]],
) -> None:
    _, features, scale, people = shipped
    for person in people:
        satisfied = {path: person.taste.satisfaction(scale.standardise(heard)) for path, heard in features.items()}
        own = [satisfied[path] for path in person.songs]
        others = [value for path, value in satisfied.items() if path not in person.songs]
        assert np.mean(own) > np.quantile(others, 0.6), person.attributes


def test_a_short_stretch_of_an_own_song_lacks_nothing_because_it_is_short(
    shipped: tuple[Ear, dict[Path, Vector], Scale, list[Person]],
) -> None:
    ear, features, scale, people = shipped
    apart = []
    for person in people:
        stretch = ear.hear(stretches(load_waveform(person.songs[0]), SECONDS)[1]).double().numpy()
        apart.append(scale.standardise(stretch) - scale.standardise(features[person.songs[0]]))
    lacking = dict(zip(NAMES, np.mean(apart, axis=0), strict=True))
    assert lacking["beat_strength"] > -0.3
    assert lacking["dynamics"] > -0.3


def test_a_song_is_heard_in_whole_stretches_and_a_short_one_as_it_is() -> None:
    assert stretches(torch.arange(10 * SAMPLE_RATE), 4.0).tolist() == [
        list(range(4 * SAMPLE_RATE)),
        list(range(4 * SAMPLE_RATE, 8 * SAMPLE_RATE)),
    ]
    assert stretches(torch.arange(SAMPLE_RATE), 4.0).shape == (1, SAMPLE_RATE)


def at_the_songs(shift: float) -> float:
    """Mean satisfaction of many with the mean of their own songs."""
    library = songs(5, 6)
    measures = heard(library)
    people = populate(library, measures, SCALE, listeners=100, cohorts=5, seed=1, shift=shift)
    enough = np.full(len(QUALITIES), 9.0)
    return float(
        np.mean(
            [
                each.taste.satisfaction(
                    np.concatenate([np.mean([measures[path][: len(MEASURED)] for path in each.songs], axis=0), enough])
                )
                for each in people
            ]
        )
    )


def test_songs_hit_exactly_leave_room_for_learning_only_when_tastes_lie_beyond_them() -> None:
    assert at_the_songs(0.0) > 0.97
    assert at_the_songs(0.8) < 0.88
    assert at_the_songs(1.6) < at_the_songs(0.8)
