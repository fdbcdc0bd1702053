"""The scorer's laws: it finds a planted taste and not a permuted one, and never knows more than it was told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.scorer import FEWEST, WORTH, Array, Heard, admitted, fit, foretold, others_mean, space_of

SIZE = 30


def person(seed: int, tracks: int = 60, taste: float = 0.8, noise: float = 0.3) -> tuple[Heard, Array]:
    """A listener whose liking is along one direction of what varies most, and that direction [SIZE]."""
    draw = np.random.default_rng(seed)
    descriptions = draw.normal(size=(tracks, SIZE)) * np.linspace(0.2, 2, SIZE)
    direction = np.zeros(SIZE)
    direction[1 + seed % (SIZE - 1)] = 1.0
    standard = descriptions / descriptions.std(0)
    liking = taste * standard @ direction + draw.normal(scale=noise, size=tracks)
    return Heard(descriptions, liking * 0.7, np.full(tracks, 0.3)), direction


def permuted(heard: Heard, seed: int) -> Heard:
    order = np.random.default_rng(seed).permutation(len(heard.mean))
    return Heard(heard.descriptions, heard.mean[order], heard.variance[order])


def test_a_taste_is_found_and_a_permuted_one_is_not() -> None:
    people = [person(seed)[0] for seed in range(12)]
    space = space_of(people)
    found = [admitted(space, heard) for heard in people]
    placebo = [admitted(space, permuted(heard, seed)) for seed, heard in enumerate(people)]
    assert sum(found) >= 10
    assert sum(placebo) <= 3


def test_it_tells_better_tracks_from_worse_ones_that_it_was_not_shown() -> None:
    heard, direction = person(3, tracks=120)
    space = space_of([heard])
    weights = fit(space, Heard(heard.descriptions[:60], heard.mean[:60], heard.variance[:60]))
    guess = space.numbers(heard.descriptions[60:]) @ weights.mean
    assert np.corrcoef(guess, heard.descriptions[60:] @ direction)[0, 1] > 0.5


def test_without_ratings_it_is_the_cohorts_opinion() -> None:
    heard, _ = person(1)
    space = space_of([heard])
    cohort = np.linspace(-0.1, 0.1, len(space.rows) - 1)
    silent = Heard(heard.descriptions[:0], heard.mean[:0], heard.variance[:0])
    np.testing.assert_allclose(fit(space, silent, cohort).mean[2:], cohort)
    unheard = Heard(heard.descriptions, heard.mean * 0, np.ones(len(heard.mean)))
    np.testing.assert_allclose(fit(space, unheard, cohort).mean[2:], cohort)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_the_more_is_heard_the_surer_it_is_and_never_surer_than_all_ratings_together(seed: int, fewer: int) -> None:
    heard, _ = person(seed, tracks=40)
    space = space_of([heard])
    some = fit(space, Heard(heard.descriptions[:fewer], heard.mean[:fewer], heard.variance[:fewer]))
    every = fit(space, heard)
    assert np.all(np.diag(every.covariance) <= np.diag(some.covariance) + 1e-12)
    assert np.all(np.linalg.eigvalsh(every.covariance) > 0)


def test_a_few_ratings_move_the_prior_little() -> None:
    heard, _ = person(2, tracks=5)
    weights = fit(space_of([person(2)[0]]), heard)
    assert float(np.abs(weights.mean[2:]).max()) < 5 * 3 / WORTH


def test_few_tracks_admit_nothing() -> None:
    heard, _ = person(4, tracks=FEWEST - 1, taste=3.0)
    assert not admitted(space_of([person(4)[0]]), heard)


def test_leaving_one_out_is_what_refitting_without_it_gives() -> None:
    heard, _ = person(5, tracks=10)
    space = space_of([person(5)[0]])
    by_hand = 0.0
    for place in range(10):
        rest = np.arange(10) != place
        weights = fit(space, Heard(heard.descriptions[rest], heard.mean[rest], heard.variance[rest]))
        row = space.numbers(heard.descriptions[place : place + 1])[0]
        noise = 0.6 + 0.3 / 0.7
        variance = row @ weights.covariance @ row + noise
        by_hand += -0.5 * np.log(2 * np.pi * variance) - (heard.mean[place] / 0.7 - row @ weights.mean) ** 2 / (
            2 * variance
        )
    assert foretold(space, heard) == pytest.approx(by_hand)


def test_ones_own_weights_are_no_part_of_ones_prior() -> None:
    people = [person(seed)[0] for seed in range(3)]
    space = space_of(people)
    fitted = [fit(space, heard) for heard in people]
    own, second, third = others_mean(fitted, [60, 60, 60])
    np.testing.assert_allclose(own, (fitted[1].mean[2:] + fitted[2].mean[2:]) / 2)
    np.testing.assert_allclose(own + second + third, sum(each.mean[2:] for each in fitted))
    assert not others_mean(fitted[:1], [60])[0].any()
