"""The laws of what cohorts share: a taste that differs by cohort reaches a newcomer, chance and few listeners make no
cohort, and nobody counts twice or beyond their bound."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.test_scorer import first, permuted, person
from training import scorer
from training.cohorts import LEAST_LISTENERS, Attributes, mixture, priors
from training.scorer import MOST_EACH, Heard, Weights, space_of

EACH = LEAST_LISTENERS + 2
TASTES = {"here": 0.9, "there": 0.1}
NUMBERS = st.floats(-3, 3)


def crowd(tastes: dict[str, float] = TASTES, each: int = EACH) -> tuple[list[Heard], list[Attributes]]:
    """Listeners of two homes, which may like different things, and a newcomer to each."""
    names = list(tastes)
    people = [
        person(100 * number + place, taste=tastes[name]) for number, name in enumerate(names) for place in range(each)
    ]
    told: list[Attributes] = [{"home": name} for name in names for _ in range(each)]
    newcomers = [first(person(900 + number), 0) for number, _ in enumerate(names)]
    return [*people, *newcomers], [*told, *({"home": name} for name in names)]


def found(people: list[Heard], told: Sequence[Attributes]) -> list[Weights]:
    known = priors(space_of(people), people, told)
    assert known is not None
    return known


def same(one: Weights, other: Weights) -> None:
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-9)


def everyones(people: list[Heard]) -> list[Weights]:
    known = scorer.priors(space_of(people), people)
    assert known is not None
    return known


def test_a_newcomer_is_told_what_their_cohort_likes() -> None:
    people, told = crowd()
    *_, here, there = found(people, told)
    for newcomer, taste in ((here, 0.9), (there, 0.1)):
        stranger = person(990, tracks=300, taste=taste)
        numbers = space_of(people).numbers(stranger.descriptions)
        missed = [float(np.square(numbers @ w.mean - stranger.mean).mean()) for w in (newcomer, everyones(people)[-1])]
        assert missed[0] < missed[1]


def test_where_all_like_the_same_and_where_answers_are_chance_everyone_is_the_one_cohort() -> None:
    people, told = crowd({"here": 0.8, "there": 0.8})
    for one, other in zip(found(people, told), everyones(people), strict=True):
        same(one, other)
    assert priors(space_of(people), [permuted(each, n) for n, each in enumerate(people)], told) is None


def test_homes_that_were_dealt_out_at_random_are_no_cohorts() -> None:
    people, told = crowd({"here": 0.9, "there": 0.1})
    dealt = [told[place] for place in np.random.default_rng(3).permutation(2 * EACH)]
    for one, other in zip(found(people, [*dealt, *told[-2:]]), everyones(people), strict=True):
        same(one, other)


def test_a_cohort_of_too_few_who_answered_is_none() -> None:
    people, told = crowd(each=LEAST_LISTENERS - 1)  # with the newcomer as many as are asked for, who answered nothing
    for one, other in zip(found(people, told), everyones(people), strict=True):
        same(one, other)


def test_a_listener_without_a_cohort_gets_everyones_which_hears_of_each_cohort() -> None:
    people, told = crowd()
    *_, nowhere = found(people, [*told[:-1], {}])
    same(nowhere, everyones(people)[-1])


def test_a_second_attribute_by_which_nobody_differs_changes_nothing() -> None:
    people, told = crowd()
    more = [{**each, "device": "phone" if n % 2 else "desktop"} for n, each in enumerate(told)]
    for one, other in zip(found(people, told), found(people, more), strict=True):
        same(one, other)


def test_who_is_in_cohorts_that_differ_starts_between_them() -> None:
    people, told = crowd()
    both = [{"home": each["home"], "work": each["home"]} for each in told]
    *_, here, there = found(people, both)
    *_, moved, _ = found(people, [*both[:-2], {"home": "here", "work": "there"}, {}])
    apart = there.mean - here.mean
    assert 0.2 < float((moved.mean - here.mean) @ apart / (apart @ apart)) < 0.8


def test_the_order_of_listeners_and_of_attributes_does_not_matter() -> None:
    people, told = crowd()
    again = list(range(len(people)))[::-1]
    turned = found([people[n] for n in again], [dict(reversed(list(told[n].items()))) for n in again])
    for one, other in zip(found(people, told), turned[::-1], strict=True):
        np.testing.assert_allclose(one.mean[0], other.mean[0], atol=1e-6)
        assert np.trace(one.covariance) == pytest.approx(np.trace(other.covariance), rel=1e-6)


def test_ones_own_answers_are_no_part_of_ones_prior() -> None:
    people, told = crowd()
    space, other = space_of(people), [permuted(people[0], 1), *people[1:]]
    (one, *rest), (again, *moved) = priors(space, people, told) or [], priors(space, other, told) or []
    same(one, again)
    assert not np.allclose(rest[0].mean, moved[0].mean)


def test_more_than_the_bound_of_one_listener_move_nobody() -> None:
    people, told = crowd()
    space, loud = space_of(people), person(5, tracks=MOST_EACH + 40, taste=0.9)
    newest = Heard(loud.descriptions[-MOST_EACH:], loud.mean[-MOST_EACH:], loud.variance[-MOST_EACH:])
    one, other = (priors(space, [each, *people[1:]], told) or [] for each in (loud, newest))
    assert len(one) == len(people)
    for mine, again in zip(one, other, strict=True):
        same(mine, again)


def parts() -> Any:
    """Beliefs about three weights, each with its share."""
    return st.lists(
        st.tuples(st.floats(0.1, 5), st.lists(NUMBERS, min_size=3, max_size=3), st.floats(0.1, 2)),
        min_size=1,
        max_size=4,
    ).map(lambda drawn: [(share, Weights(np.array(mean), size * np.eye(3))) for share, mean, size in drawn])


@given(parts())
@settings(max_examples=50, deadline=None)
def test_a_mixture_of_one_or_of_equals_is_that_one_and_order_and_the_untold_add_nothing(drawn: Any) -> None:
    one = drawn[0][1]
    same(mixture(drawn[:1]), one)
    same(mixture([(share, one) for share, _ in drawn]), one)
    same(mixture([*drawn, (0.0, Weights(np.full(3, 9.0), np.eye(3)))]), mixture(drawn))
    for order in list(permutations(drawn))[:6]:
        same(mixture(list(order)), mixture(drawn))
