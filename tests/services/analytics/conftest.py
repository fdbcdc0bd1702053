"""A world in which an analyst also sees small cohorts."""

from collections.abc import Iterator

import pytest

from services.postgres import open_pool
from tests.services.rollout.world import World


@pytest.fixture
def world(postgres_dsn: str) -> Iterator[World]:
    """Empty; also small cohorts are shown."""
    with open_pool(postgres_dsn) as pool:
        world = World(pool)
        world.do("update analytics.policy set min_listeners = 1")
        yield world
