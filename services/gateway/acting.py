"""For whom a request is, where its address does not say so: noted by whoever has read its body."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

_NOTED: Final[ContextVar[set[str] | None]] = ContextVar("encore_acts_for", default=None)


class Subject:
    """What the request of this task names, by address and body."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self._noted: set[str] = set()
        _NOTED.set(self._noted)

    def __call__(self) -> frozenset[str]:
        """As much of it as is known by now."""
        named = (str(value).lower() for value in self._scope.get("path_params", {}).values())
        return frozenset(self._noted.union(named))


def note(listeners: Iterable[UUID]) -> None:
    """The request that is being answered is for these."""
    noted = _NOTED.get()
    if noted is not None:
        noted.update(map(str, listeners))
