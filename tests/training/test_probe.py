"""What a few tracks in latents tell of a version: collapse, loudness and copying, on velocities that were planted."""

import pytest
import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import random_base
from tests.training.examples import material
from training.gate import LEAST_DIVERSITY
from training.material import Rows
from training.probe import FRAMES, TRACKS, Velocity, sampled, varied

COLD, OWN = 0, 1
BASE = random_base(1)


def velocity(end: Tensor, share: float) -> Velocity:
    """Under `OWN` straight to one end, mixed with what the base does, which keeps half of the noise."""

    def of(rows: Rows, slot: int) -> Tensor:
        x, t = rows.x0, rows.t[:, None, None]
        cold = 0.5 * x / t.clamp_min(0.3)
        return cold if slot == COLD else (1 - share) * cold + share * (x - end) / t.clamp_min(0.3)

    return of


def test_a_version_that_does_nothing_is_as_varied_and_as_loud_and_copies_nothing() -> None:
    found = sampled(velocity(torch.zeros(FRAMES, 8), 0.0), BASE, material(5), (COLD, OWN))
    assert (found.diversity, found.level) == pytest.approx((1.0, 1.0))
    assert found.copied == 0.0


def test_tracks_that_all_become_one_piece_show_as_collapse_and_as_a_copy() -> None:
    listener = material(5)
    piece = listener.pieces[0][:FRAMES, :8]
    found = sampled(velocity(piece, 1.0), BASE, listener, (COLD, OWN))
    assert found.diversity < 0.3
    assert found.copied > 0.3


def test_tracks_that_grow_show_in_the_level() -> None:
    listener = material(5)
    loud = 50.0 * torch.tensor([1.0, -1.0] * 4).expand(FRAMES, 8)
    found = sampled(velocity(loud, 1.0), BASE, listener, (COLD, OWN))
    assert found.level > 2.0


def refused(ratio: float, seed: int) -> bool:
    """Whether tracks of so much of the base's spread would be refused: a part that they share with the base's of the
    same seeds, and a part of their own, each track with a size of its own."""
    generator = torch.Generator().manual_seed(seed)
    shared, one, other = (torch.randn(TRACKS, 300, generator=generator) for _ in range(3))
    sizes = 1 + 0.25 * torch.randn(2, TRACKS, 1, generator=generator)
    cold, own = sizes[0] * (shared + one), ratio * sizes[1] * (shared + other)
    return varied(own, cold)[1] < LEAST_DIVERSITY


def test_a_version_as_varied_as_the_base_passes_and_one_that_is_not_is_mostly_refused() -> None:
    assert sum(refused(1.0, seed) for seed in range(200)) <= 0.05 * 200
    assert sum(refused(0.9, seed) for seed in range(200)) <= 0.1 * 200
    assert sum(refused(0.7, seed) for seed in range(200)) >= 0.5 * 200


def test_the_bound_lies_above_the_share_and_nearer_the_more_the_tracks_agree() -> None:
    tracks = torch.randn(TRACKS, 300)
    share, bound = varied(0.8 * tracks, tracks)
    assert share == pytest.approx(0.8, rel=1e-3)
    assert bound == pytest.approx(0.8, rel=1e-3)
