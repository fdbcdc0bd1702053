"""How statements run within a transaction of the store."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, Protocol

Row = Mapping[str, Any]


class Execute(Protocol):
    """Runs a statement within a transaction."""

    async def __call__(self, sql: LiteralString, parameters: Mapping[str, Any]) -> Sequence[Row]: ...
