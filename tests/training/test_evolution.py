"""Starts bred from what was rated best stay noise, and stay near their parents."""

import pytest
import torch

from serving.engine.music.noise import fresh
from training.methods.evolution import crossed, mutated, offspring

FRAMES, CHANNELS = 64, 8


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0))


def noise(seed: int) -> torch.Tensor:
    return fresh(seed, FRAMES, CHANNELS)


def test_a_child_of_one_parent_is_nearer_to_it_than_to_a_stranger_and_keeps_the_deviation() -> None:
    parent = noise(1)
    child = offspring([parent], noise(2), torch.Generator().manual_seed(3))
    assert cosine(child, parent) > 0.45
    assert abs(cosine(child, noise(9))) < 0.15
    assert float(child.std()) == pytest.approx(1.0, abs=0.05)


def test_a_crossing_has_something_of_both_and_its_ends_are_the_parents() -> None:
    first, second = noise(1), noise(2)
    half = crossed(first, second, 0.5)
    assert cosine(half, first) == pytest.approx(cosine(half, second), abs=0.02)
    assert cosine(half, first) > 0.6
    assert torch.allclose(crossed(first, second, 0.0), first, atol=1e-5)
    assert torch.allclose(mutated(first, second, 1.0), second, atol=1e-5)


def test_better_parents_are_chosen_more_often() -> None:
    parents = [noise(1), noise(2), noise(3)]
    nearest = []
    for seed in range(200):
        child = offspring(parents, noise(1000 + seed), torch.Generator().manual_seed(seed))
        nearest.append(max(range(3), key=lambda place: cosine(child, parents[place])))
    counts = [nearest.count(place) for place in range(3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] > 0
