"""What a trace of a listener is, and whether a text is one."""

import re
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple
from uuid import UUID

# With dashes or without, and both as the hexadecimal digits in which bytes are shown.
_DASHED: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID: Final = re.compile(f"{_DASHED}|[0-9a-f]{{32}}")
_BYTES: Final = re.compile(r"\\x((?:[0-9a-f]{2})+)")


class Trace(NamedTuple):
    """A table and how many of its rows, or a file or an entry of the registry, that names one of the ids."""

    place: str
    rows: int


def says(text: str, ids: AbstractSet[UUID]) -> bool:
    """Whether a text has one of these ids in it."""
    said = text.lower()
    inner = (bytes.fromhex(digits).decode("latin-1").lower() for digits in _BYTES.findall(said))
    return any(UUID(found) in ids for each in (said, *inner) for found in _ID.findall(each))
