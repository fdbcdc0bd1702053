"""Chance that is the same at every run."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded() -> Iterator[None]:
    """What PyTorch draws within is always the same, and what is drawn outside does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
