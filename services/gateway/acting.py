"""For whom a request is: noted by whoever has found them. What its address or its body names may be nobody."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final
from uuid import UUID

_NOTED: Final[ContextVar[set[str] | None]] = ContextVar("encore_acts_for", default=None)


class Subject:
    """The listeners whom the request of this task is for."""

    def __init__(self) -> None:
        self._noted: set[str] = set()
        _NOTED.set(self._noted)

    def __call__(self) -> frozenset[str]:
        """As many as are known by now."""
        return frozenset(self._noted)


def note(listeners: Iterable[UUID]) -> None:
    """The request that is being answered is for these, who are there and within its principal's reach."""
    noted = _NOTED.get()
    if noted is not None:
        noted.update(map(str, listeners))
