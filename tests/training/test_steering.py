"""Conditions move towards what was liked, not further than they may, and not at all when stars say nothing."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.methods.steering import FEWEST, MOST_TEMPO, Steering, steer
from training.preference import Belief, Hearing, Signals, estimate

SIZE = 6


def belief(satisfaction: np.ndarray) -> Belief:
    tracks = tuple(UUID(int=i) for i in range(len(satisfaction)))
    return Belief(tracks, satisfaction, np.full(len(satisfaction), 0.3), 0.0, 1.0, 0.97)


def steered(satisfaction: np.ndarray, seed: int = 0) -> tuple[Steering, np.ndarray, np.ndarray]:
    """With the satisfaction given by the first number of each style: the steering, the songs' style, the styles."""
    rng = np.random.default_rng(seed)
    songs = rng.normal(size=SIZE)
    styles = songs + rng.normal(size=(len(satisfaction), SIZE))
    styles[:, 0] = songs[0] + satisfaction
    count = len(satisfaction)
    found = steer(songs, styles, 0.1 * satisfaction, [False] * count, belief(satisfaction))
    return found, songs, styles


def test_the_style_moves_the_way_of_what_was_liked_and_keeps_its_norm() -> None:
    found, songs, _ = steered(np.array([1.0, -1.0, 0.8, -0.7, 0.2, -0.3, 1.2, -1.1]))
    assert found.style[0] > songs[0] + 0.2
    assert np.linalg.norm(found.style) == pytest.approx(np.linalg.norm(songs))
    assert found.octaves > 0.02


@pytest.mark.parametrize("satisfaction", [np.array([1.0, -1.0, 0.5]), np.full(8, 0.3)])
def test_too_little_or_nothing_said_leaves_the_songs_as_they_are(satisfaction: np.ndarray) -> None:
    found, songs, _ = steered(satisfaction)
    assert len(satisfaction) < FEWEST or np.ptp(satisfaction) == 0
    assert np.array_equal(found.style, songs)
    assert (found.octaves, found.minor) == (0.0, None)


@given(seed=st.integers(0, 200), spread=st.floats(0.1, 30.0))
def test_the_tempo_never_moves_further_than_it_may(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    found = steer(
        np.ones(SIZE), rng.normal(size=(9, SIZE)), spread * rng.normal(size=9), [True] * 9, belief(rng.normal(size=9))
    )
    assert abs(found.octaves) <= MOST_TEMPO


def test_the_mode_is_chosen_only_where_one_is_clearly_ahead() -> None:
    minor = [True, False] * 4
    clear = np.array([1.0, -1.0, 0.9, -0.8, 1.1, -0.9, 1.0, -1.1])
    unclear = np.array([1.0, 0.9, -0.8, -1.0, 0.3, 0.4, -0.2, -0.1])
    flat = np.zeros((8, SIZE))
    assert steer(np.ones(SIZE), flat, np.zeros(8), minor, belief(clear)).minor is True
    assert steer(np.ones(SIZE), flat, np.zeros(8), minor, belief(-clear)).minor is False
    assert steer(np.ones(SIZE), flat, np.zeros(8), minor, belief(unclear)).minor is None


def test_a_planted_preference_moves_many_listeners_the_right_way_and_permuted_stars_move_them_nowhere() -> None:
    rng = np.random.default_rng(4)
    true: list[float] = []
    placebo: list[float] = []
    for _ in range(60):
        songs, like = rng.normal(size=SIZE), np.eye(SIZE)[0]
        styles = songs + rng.normal(size=(12, SIZE))
        stars = np.clip(np.round(3 + (styles - songs) @ like + rng.normal(0, 0.5, 12)), 1, 5).astype(int)
        for found, given_stars in ((true, stars), (placebo, rng.permutation(stars))):
            hearings = [Hearing(UUID(int=i), 6.0, 6.0, (int(star),)) for i, star in enumerate(given_stars)]
            believed = estimate(hearings, signals=Signals(listening=False))
            moved = steer(songs, styles, np.zeros(12), [False] * 12, believed).style
            found.append(float((moved - songs * np.linalg.norm(moved) / np.linalg.norm(songs)) @ like))
    error = np.std(placebo) / np.sqrt(len(placebo))
    assert np.mean(true) > 0.3
    assert abs(np.mean(placebo)) < 3 * error
