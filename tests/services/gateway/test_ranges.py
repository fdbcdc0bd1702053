"""Byte ranges as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.conditions import is_unchanged, may_send_part
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
        ("Bytes=0-9", ByteRange(0, 10, 100)),
        ("bytes=0-" + "9" * 5000, ByteRange(0, 100, 100)),
        ("bytes=-" + "9" * 5000, ByteRange(0, 100, 100)),
        ("bytes=" + "0" * 5000 + "1-2", ByteRange(1, 3, 100)),
        ("bytes=٠-٩", None),
        ("bytes=0-9\n", None),
        ("bytes=-", None),
        ("bytes=9-3", None),
        ("bytes=0-1,5-6", None),
        ("seconds=0-1", None),
    ],
)
def test_ranges(header: str | None, expected: ByteRange | None) -> None:
    assert requested(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
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


@given(st.text(st.characters(codec="latin-1")) | st.from_regex(r"bytes=[0-9]*-[0-9]*"))
def test_no_header_is_too_odd(header: str) -> None:
    try:
        found = requested(header, 100)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found.start < found.stop <= 100


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ('"b","c"', False),
        ("*", True),
        ("a", False),
        ("", False),
    ],
)
def test_what_the_client_has_is_not_sent_again(header: str | None, unchanged: bool) -> None:
    assert is_unchanged(header, '"a"') is unchanged


@pytest.mark.parametrize(("header", "part"), [(None, True), ('"a"', True), ('W/"a"', False), ('"b"', False)])
def test_a_part_is_sent_of_the_same_bytes_only(header: str | None, part: bool) -> None:
    assert may_send_part(header, '"a"') is part
