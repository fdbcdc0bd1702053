"""A hidden taste: laws of satisfaction, stars and listening."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.study.taste import Taste, Vector

SIZE = 5
LEAST = np.array([0.5, -1.0])
vectors = arrays(np.float64, SIZE, elements=st.floats(-3, 3))
qualities = arrays(np.float64, len(LEAST), elements=st.floats(-4, 4))
distances = st.floats(0, 5)


def taste(offset: float = 0.0, noise: float = 0.0, carelessness: float = 0.0, ideal: Vector | None = None) -> Taste:
    ideal = np.zeros(SIZE) if ideal is None else ideal
    return Taste(ideal, np.full(SIZE, 1 / SIZE), LEAST, offset, noise, carelessness)


def sounding(measured: Vector, qualities: Vector = LEAST) -> Vector:
    return np.concatenate([measured, qualities])


@given(ideal=vectors)
def test_the_ideal_itself_gets_five_stars_and_is_heard_to_the_end(ideal: Vector) -> None:
    someone = taste(ideal=ideal)
    rng = np.random.default_rng(0)
    assert someone.satisfaction(sounding(ideal)) == 1.0
    assert someone.stars(sounding(ideal), rng) == 5
    assert someone.heard_fraction(sounding(ideal), np.random.default_rng(0)) == 1.0


@given(direction=vectors, near=distances, far=distances)
def test_satisfaction_falls_with_distance(direction: Vector, near: float, far: float) -> None:
    near, far = sorted((near, far))
    assert taste().satisfaction(sounding(direction * near)) >= taste().satisfaction(sounding(direction * far))


@given(measured=vectors, own=qualities, more=arrays(np.float64, len(LEAST), elements=st.floats(0, 5)))
def test_more_of_a_quality_never_hurts(measured: Vector, own: Vector, more: Vector) -> None:
    assert taste().satisfaction(sounding(measured, own + more)) >= taste().satisfaction(sounding(measured, own))


def test_a_little_less_of_a_quality_goes_unnoticed_and_clearly_less_does_not() -> None:
    for which in np.eye(len(LEAST)):
        little, clearly = (taste().satisfaction(sounding(np.zeros(SIZE), LEAST - by * which)) for by in (0.4, 2.0))
        assert little == 1.0
        assert clearly < 0.02


@given(features=vectors, seed=st.integers(0, 1000))
def test_stars_and_listening_stay_in_range_whatever_the_person(features: Vector, seed: int) -> None:
    rng = np.random.default_rng(seed)
    someone = taste(offset=2.0, noise=2.0, carelessness=0.5)
    assert someone.stars(sounding(features), rng) in range(1, 6)
    assert 0.05 <= someone.heard_fraction(sounding(features), rng) <= 1.0


def test_careless_ratings_do_not_follow_taste() -> None:
    rng = np.random.default_rng(1)
    careless = taste(carelessness=1.0)
    ideal = [careless.stars(sounding(np.zeros(SIZE)), rng) for _ in range(3000)]
    assert abs(np.mean(ideal) - 3.0) < 0.1


def test_a_rater_of_small_gain_keeps_to_the_middle_and_is_satisfied_all_the_same() -> None:
    modest = replace(taste(), gain=0.25)
    for measured in (np.zeros(SIZE), np.full(SIZE, 3.0)):
        assert abs(modest.stars(sounding(measured), np.random.default_rng(0)) - 3) <= 1
        assert modest.satisfaction(sounding(measured)) == taste().satisfaction(sounding(measured))


def test_of_two_tracks_the_one_that_is_felt_better_is_preferred() -> None:
    rng, near, far, awful = np.random.default_rng(0), np.zeros(SIZE), np.full(SIZE, 1.2), np.full(SIZE, 5.0)
    for first, second, choice in (
        (near, far, "first"),
        (far, near, "second"),
        (near, near, "tie"),
        (awful, awful, "both_bad"),
    ):
        assert taste().vote(sounding(first), sounding(second), rng) == choice
