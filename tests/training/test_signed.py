"""The signed method: targets that cancel, a loss with the optimum it is meant for, a preference that was planted."""

from uuid import UUID

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.training.examples import LIKED, PERMUTED, facts, learned, two_colours
from training.losses import flow_matching, signed, threshold_guided
from training.material import Material
from training.methods.signed import FEWEST_RATED, examples, targets
from training.snapshot import MethodName


def tensors(seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(3, 4, 2, generator=generator) for _ in range(4))


def test_target_one_is_flow_matching_and_a_half_draws_to_the_old_velocity() -> None:
    v, old, x0, eps = tensors()
    assert torch.allclose(signed(v, old, x0, eps, torch.ones(3)), flow_matching(v, x0, eps))
    expected = (v - old).square().mean((1, 2)) + (old - (eps - x0)).square().mean((1, 2))
    assert torch.allclose(signed(v, old, x0, eps, torch.full((3,), 0.5)), expected, atol=1e-5)


@pytest.mark.parametrize("target", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_the_optimum_lies_as_far_from_the_old_velocity_as_the_target_says(target: float) -> None:
    _, old, x0, eps = tensors()
    v = old.clone().requires_grad_()
    optimiser = torch.optim.SGD([v], lr=2.0)
    for _ in range(200):
        optimiser.zero_grad()
        signed(v, old, x0, eps, torch.full((3,), target)).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert torch.allclose(v, old + (2 * target - 1) * (eps - x0 - old), atol=1e-3)


def test_no_gradient_reaches_the_old_version() -> None:
    v, old, x0, eps = tensors()
    old.requires_grad_()
    v.requires_grad_()
    signed(v, old, x0, eps, torch.full((3,), 0.2)).sum().backward()  # type: ignore[no-untyped-call]
    assert old.grad is None
    assert v.grad is not None


def test_the_threshold_raises_what_was_liked_and_lowers_what_was_not_against_the_old_version() -> None:
    _, old, x0, eps = tensors()
    for target, nearer in ((0.8, True), (0.2, False)):
        v = old.clone().requires_grad_()
        before = float(flow_matching(old, x0, eps).sum())
        loss = threshold_guided(v, old, x0, eps, torch.full((3,), target))
        assert torch.allclose(loss, torch.full((3,), 0.6931), atol=1e-3)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        assert v.grad is not None
        after = float(flow_matching(old - 1e-3 * v.grad / v.grad.norm(), x0, eps).sum())
        assert (after < before) == nearer


@given(satisfaction=arrays(np.float64, st.integers(2, 24), elements=st.floats(-3, 3, width=16)))
def test_pulls_and_pushes_cancel_and_keep_the_order(satisfaction: np.ndarray) -> None:
    if np.ptp(satisfaction) < 0.01:
        return
    target, weight = targets(satisfaction)
    assert abs(weight @ (2 * target - 1)) < 1e-3 * weight.sum()
    assert ((target >= 0) & (target <= 1)).all()
    order = np.argsort(satisfaction)
    assert (np.diff(target[order]) >= -1e-12).all()


def test_half_the_weight_is_songs_and_disliked_tracks_push() -> None:
    found = examples(facts(1, (5, 1, 4, 2, 3, 5, 1, 3), songs=2))
    songs, tracks = found[:2], found[2:]
    assert [song.target for song in songs] == [1.0, 1.0]
    assert sum(track.weight for track in tracks) == pytest.approx(2.0, abs=1e-4)
    by_source = {track.source: track.target for track in tracks}
    assert by_source[UUID(int=100)] > 0.7
    assert by_source[UUID(int=101)] < 0.3


@pytest.mark.parametrize("stars", [(5, 1, 4), (3,) * FEWEST_RATED])
def test_too_few_or_all_alike_leave_the_songs_alone(stars: tuple[int, ...]) -> None:
    assert [found.prompt for found in examples(facts(1, stars, songs=2))] == ["", ""]


def planted(stars: torch.Tensor) -> Material:
    target, weight = targets(stars.double().numpy())
    return two_colours(torch.from_numpy(target), torch.from_numpy(weight))


@pytest.mark.parametrize("method", ["signed", "threshold_guided"])
def test_a_planted_preference_is_learned_and_permuted_stars_teach_nothing(method: MethodName) -> None:
    true, permuted = (learned(planted(stars), method) for stars in (LIKED, PERMUTED))
    assert true.preference > 0.1
    assert abs(permuted.preference) < 0.3 * true.preference
