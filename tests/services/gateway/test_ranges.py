"""Byte ranges as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.ranges import ByteRange, Unsatisfiable, requested


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", ByteRange(0, 10, 100)),
        ("bytes=90-", ByteRange(90, 100, 100)),
        ("bytes=-10", ByteRange(90, 100, 100)),
        ("bytes=-1000", ByteRange(0, 100, 100)),
        ("bytes=50-1000", ByteRange(50, 100, 100)),
        (None, None),
        ("bytes=-", None),
        ("bytes=9-3", None),
        ("bytes=0-1,5-6", None),
        ("seconds=0-1", None),
    ],
)
def test_ranges(header: str | None, expected: ByteRange | None) -> None:
    assert requested(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        requested(header, 100)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 100))
def test_a_range_lies_within_the_body(first: int, last: int, size: int) -> None:
    try:
        found = requested(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
    else:
        assert found is None or 0 <= found.start < found.stop <= size
