"""What was looked up lately, so that it need not be asked for again at once."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Remembers each for at most `age_s` seconds, and at most `size` of them; the oldest go first."""

    def __init__(self, size: int, age_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._size, self._age_s, self._now = size, age_s, now
        self._held: dict[K, tuple[float, V]] = {}  # in the order in which they came

    def among(self, keys: Iterable[K]) -> dict[K, V]:
        """Those of these that are remembered."""
        self._forget()
        return {key: self._held[key][1] for key in keys if key in self._held}

    def add(self, found: Mapping[K, V]) -> None:
        """Remember these from now on."""
        at = self._now()
        for key, value in found.items():
            self._held.pop(key, None)
            self._held[key] = at, value
        self._forget()

    def _forget(self) -> None:
        before = self._now() - self._age_s
        while self._held:
            first = next(iter(self._held))
            if len(self._held) <= self._size and self._held[first][0] > before:
                return
            del self._held[first]
