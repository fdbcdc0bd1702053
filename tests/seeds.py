"""Chance that is the same at every run."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch


@contextmanager
def seeded() -> Iterator[None]:
    """What PyTorch draws within is always the same, and what is drawn outside does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True, scope="module")
def seeded_module() -> Iterator[None]:
    """For what the fixtures of a module draw."""
    with seeded():
        yield


@pytest.fixture(autouse=True)
def seeded_test() -> Iterator[None]:
    with seeded():
        yield
