"""Pure: rows as the arrays that one statement takes (`unnest`)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

_ESCAPED: Final = str.maketrans({'"': r"\"", "\\": r"\\"})

# Written here, an array costs a fifth of what the driver takes, which looks at each element anew.
_WRITTEN: Final[Mapping[type, Callable[[Any], str]]] = {
    UUID: lambda value: value.hex,
    int: str,
    datetime: datetime.isoformat,
    str: lambda value: f'"{value.translate(_ESCAPED)}"',
}


def columns(rows: Sequence[tuple[Any, ...]], *names: str) -> dict[str, str | list[Any]]:
    """An array for each name, in the order of the rows; the statement says of which type it is (`::uuid[]`)."""
    return {name: _array([row[index] for row in rows]) for index, name in enumerate(names)}


def _array(values: list[Any]) -> str | list[Any]:
    """As PostgreSQL writes it, where all are of one type that is known here; else for the driver."""
    kinds = set(map(type, values))
    write = _WRITTEN.get(kinds.pop()) if len(kinds) == 1 else None
    return f"{{{','.join(map(write, values))}}}" if write else values
