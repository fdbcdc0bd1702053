"""The scorer's laws: what all share is found and a placebo is not, one's own answers are no part of one's prior, and
nobody knows more than they were told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.adapters.scorer import ALIKE, LACKING, NEAR, described_size
from serving.engine.hearing.sound import ENOUGH, SOUND_SIZE
from training.preference import PAIR_SLOPE
from training.scorer import DIRECTIONS, Array, Heard, Space, Weights, contradicted, fit, foretold, priors, space_of

STYLE = 12
SIZE = described_size(STYLE)
FIRST_SOUND = 1 + STYLE


def person(seed: int, tracks: int = 30, taste: float = 0.8, noise: float = 0.3) -> Heard:
    """A listener who likes the closer to their songs the better, and more of the first number of sound."""
    draw = np.random.default_rng(seed)
    style = draw.normal(size=(tracks, STYLE)) * np.linspace(0.2, 2, STYLE)
    likeness, apart = draw.uniform(-1, 1, (tracks, 1)), draw.normal(size=(tracks, SOUND_SIZE)).clip(-3, 3)
    lacking = np.minimum(apart[:, :ENOUGH], 0) ** 2
    away = apart[:, ENOUGH:] ** 2
    descriptions = np.concatenate([likeness, style, apart, lacking, away], axis=1)
    liking = taste * apart[:, 0] - LACKING * lacking.mean(1) - NEAR * away.mean(1) + ALIKE * likeness[:, 0]
    return answered(descriptions, liking - liking.mean() + draw.normal(scale=noise, size=tracks))


def answered(descriptions: Array, liking: Array) -> Heard:
    return Heard(descriptions, liking * 0.7, np.full(len(liking), 0.3))


def permuted(heard: Heard, seed: int) -> Heard:
    order = np.random.default_rng(seed).permutation(len(heard.mean))
    return Heard(heard.descriptions, heard.mean[order], heard.variance[order])


def first(heard: Heard, count: int) -> Heard:
    return Heard(heard.descriptions[:count], heard.mean[:count], heard.variance[:count])


def told(people: list[Heard]) -> list[Weights]:
    found = priors(space_of(people), people)
    assert found is not None
    return found


def test_what_all_share_foretells_a_listener_who_has_rated_nothing() -> None:
    people = [person(seed) for seed in range(12)]
    space, stranger = space_of(people), person(99, tracks=200)
    (*_, prior) = told([*people, first(stranger, 0)])
    guess = space.numbers(stranger.descriptions) @ prior.mean
    expected = space.numbers(stranger.descriptions)[:, 1:] @ space.expected
    assert np.corrcoef(guess, stranger.mean)[0, 1] > np.corrcoef(expected, stranger.mean)[0, 1] + 0.1


def test_permuted_answers_teach_nothing() -> None:
    for seed in range(8):
        people = [permuted(person(50 * seed + each), each) for each in range(8)]
        assert priors(space_of(people), people) is None


def test_answers_that_are_as_expected_teach_nothing() -> None:
    people = [person(seed, taste=0.0) for seed in range(8)]
    assert priors(space_of(people), people) is None


def test_ones_own_answers_are_no_part_of_ones_prior() -> None:
    people = [person(seed) for seed in range(12)]
    other = [permuted(people[0], 1), *people[1:]]
    space = space_of(people)
    (one, *rest), (again, *moved) = priors(space, people) or [], priors(space, other) or []
    np.testing.assert_allclose(one.mean, again.mean)
    assert not np.allclose(rest[0].mean, moved[0].mean)


def test_without_answers_the_weights_are_the_prior() -> None:
    people = [person(seed) for seed in range(12)]
    space, prior = space_of(people), told(people)[0]
    silent = first(people[0], 0)
    unheard = Heard(people[0].descriptions, people[0].mean * 0, np.ones(len(people[0].mean)))
    for nothing in (silent, unheard):
        np.testing.assert_allclose(fit(space, nothing, prior).mean, prior.mean)


def test_weights_are_those_of_bayesian_regression() -> None:
    people = [person(seed) for seed in range(12)]
    space, prior, heard = space_of(people), told(people)[0], people[0]
    rows, noise = space.numbers(heard.descriptions), 0.6 + 0.3 / 0.7
    precision = np.linalg.inv(prior.covariance)
    covariance = np.linalg.inv(precision + rows.T @ rows / noise)
    found = fit(space, heard, prior)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-8)
    mean = covariance @ (precision @ prior.mean + rows.T @ (heard.mean / 0.7) / noise)
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)


def test_foretelling_all_at_once_is_foretelling_one_after_the_other() -> None:
    people = [person(seed, tracks=10) for seed in range(12)]
    space, prior, heard = space_of(people), told(people)[0], people[0]
    by_hand = 0.0
    for place in range(10):
        weights = fit(space, first(heard, place), prior)
        row = space.numbers(heard.descriptions[place : place + 1])[0]
        variance = row @ weights.covariance @ row + 0.6 + 0.3 / 0.7
        miss = heard.mean[place] / 0.7 - row @ weights.mean
        by_hand += -0.5 * np.log(2 * np.pi * variance) - miss**2 / (2 * variance)
    assert foretold(space, heard, prior) == pytest.approx(by_hand)


def test_who_likes_the_contrary_is_spared_what_the_others_taught() -> None:
    people = [person(seed) for seed in range(12)]
    contrary = person(99, taste=-1.5)
    space, found = space_of(people), told([*people, contrary])
    assert contradicted(space, contrary, found[-1])
    assert not any(contradicted(space, each, prior) for each, prior in zip(people, found, strict=False))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20))
def test_the_more_is_heard_the_surer_it_is(seed: int, fewer: int) -> None:
    heard = person(seed)
    space = space_of([heard])
    numbers = 1 + len(space.rows)
    prior = Weights(np.zeros(numbers), np.eye(numbers) * 0.01)
    some, every = fit(space, first(heard, fewer), prior), fit(space, heard, prior)
    assert np.all(np.diag(every.covariance) <= np.diag(some.covariance) + 1e-12)
    assert np.all(np.linalg.eigvalsh(every.covariance) > 0)


def flat(space: Space) -> Weights:
    """A prior that expects nothing."""
    numbers = 1 + len(space.rows)
    return Weights(np.zeros(numbers), np.eye(numbers) * 0.03)


def picker(space: Space, liking: Array, count: int, seed: int) -> Heard:
    """Picks among four takes each, by the model of first choice with these weights of the numbers."""
    draw = np.random.default_rng(seed)
    takes = person(seed, tracks=4 * count).descriptions.reshape(count, 4, SIZE)
    picks = []
    for four in takes:
        shown = space.numbers(four)[:, 1:] @ liking + draw.gumbel(scale=1 / PAIR_SLOPE, size=4)
        picks.append(four[np.argsort(-shown)])
    return Heard(np.zeros((0, SIZE)), np.zeros(0), np.zeros(0), tuple(picks))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_picks_by_a_linear_taste_tell_its_direction(seed: int) -> None:
    space = space_of([person(seed)])
    liking = np.random.default_rng(seed).normal(size=len(space.rows))
    liking /= np.linalg.norm(liking)
    found = fit(space, picker(space, liking, 400, seed), flat(space)).mean[1:]
    assert found @ liking / np.linalg.norm(found) > 0.7


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_a_pick_says_nothing_of_the_level_and_the_order_of_the_others_is_none(seed: int) -> None:
    space = space_of([person(seed)])
    heard = picker(space, np.zeros(len(space.rows)), 3, seed)
    one = fit(space, heard, flat(space))
    assert one.mean[0] == pytest.approx(0, abs=1e-12)
    assert one.covariance[0, 0] == pytest.approx(0.03)
    turned = Heard(heard.descriptions, heard.mean, heard.variance, tuple(four[[0, 3, 1, 2]] for four in heard.picks))
    other = fit(space, turned, flat(space))
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-10)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-10)
    assert foretold(space, heard, flat(space)) == pytest.approx(foretold(space, turned, flat(space)))


def test_what_all_pick_alike_is_what_the_others_tell_who_said_nothing() -> None:
    """Beside closeness all pick what has more of the first number of sound."""
    space = space_of([person(seed) for seed in range(4)])
    liking = space.expected.copy()
    liking[1 + DIRECTIONS] += 1.0
    people = [picker(space, liking, 16, seed) for seed in range(12)]
    (*_, prior) = told([*people, first(person(99), 0)])
    learned = prior.mean[1:] - space_of(people).expected
    assert np.argmax(np.abs(learned)) == 1 + DIRECTIONS
    assert learned[1 + DIRECTIONS] > 0.3


def test_picks_by_chance_teach_nothing() -> None:
    for seed in range(6):
        space = space_of([person(seed)])
        people = [picker(space, np.zeros(len(space.rows)), 16, 50 * seed + each) for each in range(8)]
        assert priors(space_of(people), people) is None


def test_who_picked_beside_their_stars_is_better_known() -> None:
    people = [person(seed) for seed in range(12)]
    space, prior, heard = space_of(people), told(people)[0], people[0]
    liking = prior.mean[1:]
    more = Heard(heard.descriptions, heard.mean, heard.variance, picker(space, liking, 20, 7).picks)
    assert np.all(np.diag(fit(space, more, prior).covariance) <= np.diag(fit(space, heard, prior).covariance) + 1e-12)
