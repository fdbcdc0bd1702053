"""A training ends by its steps or by its time, and a resumed one counts the time before."""

import time

import pytest

from training.base.budget import Budget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Holds one number: what time it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_steps_end_it_where_no_time_is_set(clock: list[float]) -> None:
    counted = Budget(10, None)
    clock[0] += 1e6
    assert [counted.share(step) for step in (0, 5, 10, 11)] == [0.0, 0.5, 1.0, 1.0]


def test_time_ends_it_before_its_steps(clock: list[float]) -> None:
    counted = Budget(1000, 60.0)
    clock[0] += 30
    assert counted.share(3) == 0.5
    clock[0] += 31
    assert counted.share(4) == 1.0


def test_time_of_an_interrupted_run_counts(clock: list[float]) -> None:
    first = Budget(1000, 60.0)
    clock[0] += 45
    assert Budget(1000, 60.0, first.spent).share(0) == 0.75
