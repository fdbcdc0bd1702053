"""Actions and their chances: the better an action is known to be the oftener it is played, and none is never played."""

import numpy as np
import pytest

from tests.training.test_scorer import STYLE, person
from training.controls import FLOOR, actions, chances
from training.scorer import Array, Space, Weights, space_of


def liking(space: Space) -> Weights:
    """More of the first direction of style, and nothing but that."""
    numbers = 1 + len(space.rows)
    mean = np.zeros(numbers)
    mean[2] = 1.0
    return Weights(mean, np.eye(numbers) * 1e-6)


def songs(count: int = 3) -> Array:
    return np.random.default_rng(1).normal(size=(count, STYLE)) + 2.0


def test_chances_are_those_of_being_the_best() -> None:
    numbers = np.array([[1.0, 0.0], [1.0, 1.0]])
    for mean, expected in ((0.0, 0.5), (1.0, 0.8413), (-9.0, 0.0)):
        weights = Weights(np.array([0.0, mean]), np.diag([0.0001, 1.0]))
        found = chances(numbers, weights, seed=1)
        assert found.sum() == pytest.approx(1)
        assert found[1] == pytest.approx(FLOOR + (1 - 2 * FLOOR) * expected, abs=0.03)


def test_what_is_asked_for_has_the_norm_of_the_songs_and_moves_towards_what_is_liked() -> None:
    space = space_of([person(3, tracks=120)])
    found = actions(songs(), space, liking(space), seed=2)
    mean = songs().mean(0)
    assert len(found.styles) == len(found.chances) == 1 + 3 + 2
    np.testing.assert_allclose(found.styles[0], mean)
    moved = found.styles[-1]
    assert np.linalg.norm(moved) == pytest.approx(np.linalg.norm(mean))
    liked = space.rows[1, 1 : 1 + STYLE] / space.scale[1 : 1 + STYLE]
    assert (moved - mean) @ liked > 0
    assert found.chances.min() >= FLOOR
    alone = actions(songs(1), space, liking(space), seed=2)
    assert alone.chances[-1] > alone.chances[0]


def test_one_song_is_no_choice_among_songs_and_no_opinion_moves_nothing() -> None:
    space = space_of([person(1)])
    numbers = 1 + len(space.rows)
    nothing = Weights(np.zeros(numbers), np.eye(numbers) * 1e-4)
    found = actions(songs(1), space, nothing, seed=3)
    assert len(found.styles) == 3
    np.testing.assert_allclose(found.styles, np.tile(songs(1), (3, 1)))


def test_the_same_posterior_gives_the_same_chances() -> None:
    space = space_of([person(2)])
    weights = liking(space)
    one, other = (actions(songs(), space, weights, seed=4).chances for _ in range(2))
    np.testing.assert_array_equal(one, other)
