"""Randomness that is the same at every run."""

from collections.abc import Iterator

import pytest

from tests.seeds import seeded


@pytest.fixture(autouse=True, scope="module")
def _seeded_module() -> Iterator[None]:
    """For what the fixtures of a module draw."""
    with seeded():
        yield


@pytest.fixture(autouse=True)
def _seeded_test(_seeded_module: None) -> Iterator[None]:
    with seeded():
        yield
