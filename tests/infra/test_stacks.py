"""What a test run that died left behind is removed by another one, whatever others do at that time."""

import tempfile
from pathlib import Path

import pytest

from infra.local.home import Home
from tests.stacks import PREFIX, temporary_home

NO_PROCESS = 2**30


def test_what_a_dead_run_left_goes_unless_another_is_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    with Home(left).alone(), temporary_home():
        assert left.exists()  # it has no owner yet
    (left / "owner").write_text(f"{NO_PROCESS} 0.0")
    with Home(left).alone(), temporary_home():
        assert left.exists()
    with temporary_home():
        assert not left.exists()
