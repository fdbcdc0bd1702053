"""A world on a fresh database."""

from collections.abc import Iterator

import pytest

from services.grants import ROLLOUT
from services.postgres import open_pool
from tests.services.roles import play
from tests.services.rollout.world import World


@pytest.fixture
def world(postgres_dsn: str) -> Iterator[World]:
    """Empty."""
    with open_pool(postgres_dsn) as pool:
        yield World(pool)


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process may not do is refused here too."""
    play(monkeypatch, ROLLOUT)
