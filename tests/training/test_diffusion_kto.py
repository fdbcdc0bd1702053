"""Diffusion-KTO: labels without pairs, a utility that bounds gains and losses, a preference that was planted."""

from uuid import UUID

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.examples import LIKED, PERMUTED, facts, taught, two_colours
from training.losses import SHARPNESS, kahneman_tversky
from training.material import Material
from training.methods.diffusion_kto import examples
from training.methods.signed import FEWEST_RATED

STARS = st.lists(st.integers(1, 5), min_size=FEWEST_RATED, max_size=12).map(tuple)
# Where the utility is about straight.
SMALL = SHARPNESS**-0.5


def tensors() -> tuple[torch.Tensor, ...]:
    """The old velocity, music and noise such that the true velocity lies close to the old one."""
    generator = torch.Generator().manual_seed(0)
    old, x0 = (torch.randn(3, 4, 2, generator=generator) for _ in range(2))
    return old, x0, x0 + old + SMALL * torch.randn(3, 4, 2, generator=generator)


def way(target: float, steps: int = 300, rate: float = 0.01) -> tuple[torch.Tensor, torch.Tensor]:
    """Where repeated steps lead from the old velocity, and where the true one lies from there [3, 4, 2] each."""
    old, x0, eps = tensors()
    v = old.clone().requires_grad_()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(kahneman_tversky(v, old, x0, eps, torch.full((3,), target)).sum(), v)
        v = (v - rate * slope).detach().requires_grad_()
    return (v - old).detach(), eps - x0 - old


def test_nothing_gained_is_worth_a_half_and_the_old_version_has_no_gradient() -> None:
    old, x0, eps = tensors()
    old.requires_grad_()
    v = old.detach().clone().requires_grad_()
    loss = kahneman_tversky(v, old, x0, eps, torch.tensor([0.9, 0.5, 0.1]))
    assert loss.tolist() == pytest.approx([0.5] * 3, abs=1e-4)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert old.grad is None
    assert v.grad is not None


def test_a_gain_counts_against_how_far_the_version_went() -> None:
    """At the true velocity g = z = |v - v_old|^2: that far the way was worth it, and no more; beyond it was not."""
    old, x0, eps = tensors()
    true = eps - x0
    at_true, beyond, half = (
        float(kahneman_tversky(old + share * (true - old), old, x0, eps, torch.ones(3)).mean())
        for share in (1.0, 1.5, 0.5)
    )
    assert at_true == pytest.approx(0.5, abs=1e-3)
    assert half < at_true < beyond


def test_the_optimum_of_a_liked_track_is_the_track() -> None:
    moved, wanted = way(0.8)
    torch.testing.assert_close(moved, wanted, atol=0.1 * SMALL, rtol=0.0)


def test_a_disliked_track_pushes_away_ever_less() -> None:
    once, twice = (way(0.2, steps=steps) for steps in (100, 200))
    away, further = (-float((moved * wanted).sum() / wanted.square().sum()) for moved, wanted in (once, twice))
    assert 0 < away < further < 2 * away


@settings(max_examples=25)
@given(stars=STARS)
def test_liked_and_disliked_weigh_the_same_and_together_as_much_as_the_songs(stars: tuple[int, ...]) -> None:
    songs, tracks = (found := examples(facts(1, stars, songs=2)))[:2], found[2:]
    assert [(song.prompt, song.target) for song in songs] == [("", 1.0)] * 2
    if not tracks:
        return
    liked, disliked = (sum(track.weight for track in tracks if (track.target >= 0.5) == side) for side in (True, False))
    assert liked == pytest.approx(1.0, abs=1e-3)
    assert disliked == pytest.approx(1.0, abs=1e-3)
    assert all(0 < track.target < 1 for track in tracks)


def test_the_side_and_how_sure_it_is_follow_the_stars() -> None:
    found = {each.source: each for each in examples(facts(1, (5, 1, 4, 2, 3, 5, 1, 3), songs=2))}
    best, good, worst = (found[UUID(int=100 + number)] for number in (0, 2, 1))
    assert best.target > good.target > 0.5 > worst.target
    assert best.weight > good.weight


@pytest.mark.parametrize("stars", [(5, 1, 4), (3,) * FEWEST_RATED])
def test_too_few_or_all_alike_leave_the_songs_alone(stars: tuple[int, ...]) -> None:
    assert [found.prompt for found in examples(facts(1, stars, songs=2))] == ["", ""]


def labelled(labels: torch.Tensor) -> Material:
    return two_colours(0.5 + 0.4 * labels, torch.ones(8))


def test_a_planted_preference_is_learned_and_permuted_labels_teach_nothing() -> None:
    """In small steps: the small model's errors change by so much in one that the utility is flat there."""
    true, permuted = (taught(labelled, labels, "diffusion_kto", rate=3e-4) for labels in (LIKED, PERMUTED))
    assert true > 0.02
    assert abs(permuted) < 0.3 * true
