"""A room's tests in the role that its process has."""

import pytest

from services import postgres


def play(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """Whatever the services open from now on has this role; the tests' own connections stay the owner's."""
    monkeypatch.setitem(postgres._CONNECTION, "options", f"-c role={role}")
