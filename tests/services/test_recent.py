"""What was looked up is remembered as long as was said, and not more of it."""

from hypothesis import given
from hypothesis import strategies as st

from services.recent import Recent
from services.streams_memory import Clock


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=40))
def test_what_is_answered_is_young_and_right_and_not_too_much(steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    recent: Recent[int, float] = Recent(3, 60.0, lambda: clock.now)
    for key, passed in steps:
        clock.advance(passed)
        recent.add({key: clock.now})
        assert recent.among([key]) == {key: clock.now}
        held = recent.among(range(6))
        assert len(held) <= 3
        assert all(clock.now - at < 60 for at in held.values())


def test_it_is_remembered_until_it_is_too_old() -> None:
    clock = Clock()
    recent: Recent[str, None] = Recent(3, 60.0, lambda: clock.now)
    recent.add({"a": None})
    clock.advance(59)
    assert recent.among(["a", "b"]) == {"a": None}
    clock.advance(1)
    assert recent.among(["a"]) == {}
