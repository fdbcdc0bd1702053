"""Rectified flow against its closed forms."""

import pytest
import torch

from training.losses import flow_matching, listeners_loss, noised, slot_means


def test_path_runs_from_music_to_noise() -> None:
    x0, eps = torch.full((2, 3, 1), 2.0), torch.full((2, 3, 1), -1.0)
    assert torch.equal(noised(x0, eps, torch.zeros(2)), x0)
    assert torch.equal(noised(x0, eps, torch.ones(2)), eps)
    assert noised(x0, eps, torch.tensor([0.25, 0.5]))[:, 0, 0].tolist() == [1.25, 0.5]


def test_loss_is_zero_for_the_true_velocity_and_the_mean_square_of_the_error_otherwise() -> None:
    x0, eps = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    error = torch.tensor([0.0, 0.5])[:, None, None]
    assert flow_matching(eps - x0 + error, x0, eps).tolist() == pytest.approx([0.0, 0.25], abs=1e-6)


def test_true_velocity_leads_back_to_the_music() -> None:
    x0, eps, t = torch.randn(1, 4, 3), torch.randn(1, 4, 3), torch.tensor([0.7])
    assert torch.allclose(noised(x0, eps, t) - 0.7 * (eps - x0), x0, atol=1e-6)


def test_each_listener_counts_once_however_many_rows_they_have() -> None:
    losses, slots = torch.tensor([1.0, 3.0, 10.0]), torch.tensor([1, 1, 3])
    assert slot_means(losses, slots, 4).tolist() == [0.0, 2.0, 0.0, 10.0]
    assert float(listeners_loss(losses, slots, 4)) == 12.0
