"""The scorer: nothing but nearness until ratings say more, and then what they say."""

from uuid import UUID

import numpy as np

from training.preference import Belief
from training.study.trial.choice import Scorer, Space, learn

SIZE = 30


def space() -> Space:
    return Space.of(np.random.default_rng(0).normal(size=(40, SIZE)))


def belief(mean: np.ndarray) -> Belief:
    return Belief(tuple(UUID(int=i) for i in range(len(mean))), mean, np.full(len(mean), 0.2), 0.0, 1.0, 0.97)


def scorer(seed: int, count: int, *, permuted: bool = False) -> tuple[Scorer, np.ndarray]:
    """Of a listener whose satisfaction follows one direction, and that direction."""
    rng = np.random.default_rng(seed)
    direction = space().rows[0] / np.linalg.norm(space().rows[0])
    songs, styles = rng.normal(size=SIZE), 2 * rng.normal(size=(count, SIZE))
    satisfaction = styles @ direction
    return learn(space(), songs, styles, belief(rng.permutation(satisfaction) if permuted else satisfaction)), direction


def test_few_ratings_leave_nearness_to_the_songs() -> None:
    found, _ = scorer(1, 4)
    assert found.weights is None
    styles = np.stack([found.songs, -found.songs])
    assert found.score(styles)[0] > found.score(styles)[1]


def test_ratings_of_one_direction_are_followed() -> None:
    found, direction = scorer(2, 40)
    assert found.weights is not None
    ahead, behind = found.score(np.stack([found.songs + 2 * direction, found.songs - 2 * direction]))
    assert ahead > behind


def test_permuted_ratings_are_seldom_admitted() -> None:
    admitted = [scorer(seed, 20, permuted=True)[0].weights is not None for seed in range(40)]
    followed = [scorer(seed, 20)[0].weights is not None for seed in range(40)]
    assert sum(followed) > 30
    assert sum(admitted) < sum(followed) / 2


def test_what_is_unlike_anything_rated_must_be_better_to_be_chosen() -> None:
    found, _ = scorer(3, 40)
    assert found.covariance is not None
    unknown = space().rows[-1] * 10
    doubt = found.score(np.stack([found.songs + unknown])) - found.score(np.stack([found.songs]))
    without = Scorer(found.space, found.songs, found.weights, 0 * found.covariance)
    assert doubt[0] < (without.score(np.stack([found.songs + unknown])) - without.score(np.stack([found.songs])))[0]
