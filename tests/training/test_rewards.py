"""Staged rewards: weights within a bound, the order of the stages, what is trained with them, a planted preference."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import rel_entr

from tests.training.examples import LIKED, PERMUTED, facts, taught, two_colours
from training.answers import belief
from training.losses import flow_matching, signed
from training.material import Material
from training.methods import METHODS, method
from training.methods.signed import FEWEST_RATED
from training.methods.staged_rewards import (
    COLDEST,
    FIRST_CHOICE,
    SECOND_CHOICE,
    Measure,
    Measured,
    bounded,
    choice_of,
    examples,
    pessimistic,
    staged,
)
from training.preference import EVERY_SIGNAL, Belief
from training.snapshot import Example, ListenerFacts, RatedTrack

FIRST, SECOND = choice_of(FIRST_CHOICE), choice_of(SECOND_CHOICE)
REWARDS = st.lists(st.floats(-4, 4, width=16), min_size=2, max_size=24).map(np.array)
BOUNDS = st.floats(0.01, 1.0)
RATED = (5, 1, 4, 2, 3, 5, 1, 3)


def uniform(count: int) -> NDArray[np.float64]:
    return np.full(count, 1 / count)


def kl(weights: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """By scipy's own."""
    return float(rel_entr(weights, reference).sum())


def alike(_track: RatedTrack) -> Measured:
    return Measured(adherence=0.5, quality=0.5)


def only(number: int, measured: Measured) -> Measure:
    """That of one track; all others are middling."""
    return lambda track: measured if track.track_id.int - 100 == number else alike(track)


def test_two_tracks_have_the_weights_of_the_closed_form() -> None:
    """Cold enough for the bound to hold by itself, w = sigma(difference / COLDEST)."""
    weights = bounded(np.array([0.1, 0.0]), uniform(2), 0.5)
    assert weights[0] == pytest.approx(1 / (1 + np.exp(-0.1 / COLDEST)))
    tight = bounded(np.array([3.0, 0.0]), uniform(2), 0.3)
    assert kl(tight, uniform(2)) == pytest.approx(0.3, abs=1e-6)


def test_a_choice_among_many_lies_as_far_as_it_does_when_drawn() -> None:
    """The best of N has the density N F^(N - 1): the mean of its logarithm over uniform ranks."""
    ranks = (np.arange(100_000) + 0.5) / 100_000
    density = 4 * ranks**3
    assert choice_of(4) == pytest.approx(float((density * np.log(density)).mean()), abs=1e-3)
    assert choice_of(1) == 0.0


@given(reward=REWARDS, bound=BOUNDS)
def test_the_bound_is_kept_and_reached_where_rewards_are_far_enough_apart(
    reward: NDArray[np.float64], bound: float
) -> None:
    reference = uniform(len(reward))
    weights = bounded(reward, reference, bound)
    assert weights.sum() == pytest.approx(1.0)
    assert kl(weights, reference) <= bound + 1e-9
    coldest = np.exp((reward - reward.max()) / COLDEST)
    assert kl(weights, reference) == pytest.approx(min(bound, kl(coldest / coldest.sum(), reference)), abs=1e-6)


@given(reward=REWARDS, bound=BOUNDS, by=st.floats(-4, 4))
def test_more_reward_is_more_weight_and_only_differences_count(
    reward: NDArray[np.float64], bound: float, by: float
) -> None:
    weights = bounded(reward, uniform(len(reward)), bound)
    order = np.argsort(reward)
    assert (np.diff(weights[order]) >= -1e-12).all()
    assert bounded(reward + by, uniform(len(reward)), bound) == pytest.approx(weights, abs=1e-6)


@given(count=st.integers(1, 24), value=st.floats(-4, 4), bound=BOUNDS)
def test_equal_rewards_leave_the_reference(count: int, value: float, bound: float) -> None:
    reference = np.arange(1.0, count + 1) / np.arange(1.0, count + 1).sum()
    assert bounded(np.full(count, value), reference, bound) == pytest.approx(reference)


@given(reward=REWARDS, bound=BOUNDS)
def test_no_other_weights_within_the_bound_have_more_reward_less_what_divergence_costs(
    reward: NDArray[np.float64], bound: float
) -> None:
    """The optimum of the bounded problem: any mixture with a distribution as near has no more reward."""
    reference = uniform(len(reward))
    weights = bounded(reward, reference, bound)
    rng = np.random.default_rng(1)
    for other in rng.dirichlet(np.ones(len(reward)), size=16):
        if kl(other, reference) <= kl(weights, reference):
            assert other @ reward <= weights @ reward + 1e-9


def test_the_listener_comes_last_and_is_bounded_from_the_first_stage() -> None:
    measured, liked = np.array([2.0, 1.0, -1.0, -2.0]), np.array([-2.0, 2.0, 1.0, -1.0])
    first = bounded(measured, uniform(4), FIRST)
    both = staged(measured, liked)
    assert kl(first, uniform(4)) == pytest.approx(FIRST, abs=1e-6)
    assert kl(both, first) == pytest.approx(SECOND, abs=1e-6)
    swapped = bounded(measured, bounded(liked, uniform(4), FIRST), SECOND)
    assert both @ liked > swapped @ liked
    assert both @ measured < swapped @ measured


@given(measured=st.lists(st.floats(-3, 3, width=16), min_size=4, max_size=12).map(np.array))
def test_without_a_liking_the_first_stage_is_all(measured: NDArray[np.float64]) -> None:
    assert staged(measured, np.zeros(len(measured))) == pytest.approx(bounded(measured, uniform(len(measured)), FIRST))


def pulls(found: Sequence[Example], songs: int = 2) -> dict[int, float]:
    """Weight times 2 r - 1 of each track by its number."""
    return {each.source.int - 100: each.weight * (2 * each.target - 1) for each in found[songs:]}


def moved(known: ListenerFacts, number: int, measured: Measured) -> float:
    """What measuring that of one track adds to its pull."""
    return pulls(examples(known, only(number, measured)))[number] - pulls(examples(known, alike))[number]


@settings(max_examples=25)
@given(stars=st.lists(st.integers(1, 5), min_size=FEWEST_RATED, max_size=12).map(tuple))
def test_half_the_weight_is_songs_and_pulls_and_pushes_cancel(stars: tuple[int, ...]) -> None:
    found = examples(facts(1, stars, songs=2), alike)
    assert [(song.prompt, song.target) for song in found[:2]] == [("", 1.0)] * 2
    if len(found) == 2:
        assert len(set(stars)) == 1
        return
    assert sum(each.weight for each in found[2:]) == pytest.approx(2.0, abs=1e-3)
    assert sum(pulls(found).values()) == pytest.approx(0.0, abs=5e-3)
    assert all(0 <= each.target < 1 for each in found[2:])


def test_stars_adherence_and_quality_each_pull_their_way() -> None:
    known = facts(1, RATED, songs=2)
    pull = pulls(examples(known, alike))
    assert pull[0] > pull[2] > pull[3] > pull[1]
    assert pull[0] > 0 > pull[1]
    for better, worse in (
        (Measured(adherence=1.0, quality=0.5), Measured(adherence=0.0, quality=0.5)),
        (Measured(adherence=0.5, quality=0.6), Measured(adherence=0.5, quality=0.4)),
    ):
        assert moved(known, 4, better) > 0 > moved(known, 4, worse)


def test_what_is_not_told_is_in_the_middle() -> None:
    known = facts(1, RATED, songs=2)
    for measured in (Measured(), Measured(adherence=0.5), Measured(quality=0.5)):
        assert moved(known, 4, measured) == pytest.approx(0.0, abs=1e-6)
    assert examples(known, lambda _: Measured()) == examples(known, alike)


def test_of_two_tracks_of_one_belief_the_surer_is_worth_more() -> None:
    tracks = tuple(UUID(int=number) for number in range(3))
    worth = pessimistic(Belief(tracks, np.array([1.0, 1.0, 0.5]), np.array([0.1, 0.9, 0.0]), 0.0, 1.0, 1.0))
    assert worth[0] > worth[2] > worth[1]
    known = facts(1, RATED, songs=2)
    assert pulls(examples(known, alike)) == pytest.approx(expected(known), rel=3e-3)


def expected(known: ListenerFacts) -> dict[int, float]:
    """Pulls of eight tracks told apart by their worth alone, together as much as two songs."""
    found = belief(known.tracks, EVERY_SIGNAL)
    ahead = 8 * staged(np.zeros(8), pessimistic(found)) - 1
    share = 2 / np.maximum(ahead, 1).sum()
    return {track.int - 100: share * float(each) for track, each in zip(found.tracks, ahead, strict=True)}


@pytest.mark.parametrize("stars", [(5, 1, 4), (3,) * FEWEST_RATED])
def test_too_few_or_all_alike_leave_the_songs_alone(stars: tuple[int, ...]) -> None:
    assert [found.prompt for found in examples(facts(1, stars, songs=2), alike)] == ["", ""]


def test_the_least_of_the_loss_lies_where_weighted_flow_matching_leads_from_the_mean_of_all() -> None:
    """In one context: v_old + sum a (v* - v_old) / sum max(a, 1), with a of the examples' own weights and targets."""
    found = examples(facts(1, RATED, songs=2), alike)[2:]
    weight, target = (torch.tensor([getattr(each, name) for each in found]) for name in ("weight", "target"))
    generator = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(len(found), 4, 2, generator=generator) for _ in range(2))
    old = (eps - x0).mean(0)
    v = old.clone().requires_grad_()
    for _ in range(200):
        loss = (weight * signed(v.expand_as(x0), old.expand_as(x0), x0, eps, target)).sum()
        (slope,) = torch.autograd.grad(loss, v)
        v = (v - slope).detach().requires_grad_()
    pull = (weight * (2 * target - 1))[:, None, None]
    torch.testing.assert_close(v.detach(), old + (pull * (eps - x0)).sum(0) / weight.sum(), atol=2e-3, rtol=0.0)
    best, worst = (flow_matching(each.expand_as(x0), x0, eps) for each in (v.detach(), old))
    ahead = torch.tensor([each.source == UUID(int=100) for each in found])
    assert float(best[ahead].mean()) < float(worst[ahead].mean())


def test_the_methods_by_name_have_this_one_only_with_something_that_hears() -> None:
    known = facts(1, RATED)
    assert method("staged_rewards", alike)(known) == examples(known, alike)
    assert method("signed", alike) is METHODS["signed"]


def weighed(labels: torch.Tensor) -> Material:
    ahead = len(labels) * staged(np.zeros(len(labels)), labels.double().numpy()) - 1
    return two_colours(torch.from_numpy(np.minimum(0.5 + 0.5 * ahead, 0.999)), torch.from_numpy(np.maximum(ahead, 1)))


def test_a_planted_preference_is_learned_and_permuted_labels_teach_nothing() -> None:
    true, permuted = (taught(weighed, labels, "staged_rewards") for labels in (LIKED, PERMUTED))
    assert true > 0.1
    assert abs(permuted) < 0.3 * true
