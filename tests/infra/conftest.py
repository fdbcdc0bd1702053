"""A data folder of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.make()
    yield home
    home.short.rmdir()
