"""HTTP byte ranges (RFC 9110 section 14): one range a request, which is what players ask for. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
# Above any body there is, and well below the digits at which Python refuses to read a number.
_BEYOND: Final = 10**18


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `[start, stop)` of a body of `size` bytes."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


class Unsatisfiable(Exception):
    """The range lies outside the body."""


def requested(header: str | None, size: int) -> ByteRange | None:
    """The range asked for, or None for the whole body (no header, several ranges, or one that is not understood).

    Raises:
        Unsatisfiable: it starts at or after the end, or asks for the last zero bytes.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.group(1), match.group(2)
    if not first:
        return _suffix(_number(last), size)
    start, end = _number(first), _number(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(end + 1, size), size)


def _number(digits: str) -> int:
    """What the digits say, or `_BEYOND` where they say more."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= len(str(_BEYOND)) else _BEYOND


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise Unsatisfiable
    return ByteRange(max(0, size - length), size, size)
