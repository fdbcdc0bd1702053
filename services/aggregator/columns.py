"""Pure: rows as the arrays that one statement takes (`unnest`)."""

from collections.abc import Sequence
from typing import Any


def columns(rows: Sequence[tuple[Any, ...]], *names: str) -> dict[str, list[Any]]:
    """An array for each name, in the order of the rows."""
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}
