"""How many uploads are taken in at once: bodies and scratch files have a bound, whoever sends them."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.errors import ServiceError

RETRY_AFTER_S = 5


class Slots:
    """A number of places. Who holds some gets one more while more than those are free, so that whoever comes newly
    finds one: alpha is 1 in Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches"
    (1998)."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, owner: str) -> AsyncIterator[None]:
        """A place of this principal while this is open; ServiceError 503 `too_many_uploads` when there is none for
        them."""
        if self._free <= self._held[owner]:
            raise too_many_uploads(RETRY_AFTER_S)
        self._free -= 1
        self._held[owner] += 1
        try:
            yield
        finally:
            self._free += 1
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]


def too_many_uploads(retry_after_s: float) -> ServiceError:
    return ServiceError(
        "too_many_uploads",
        "Too many songs are being taken in now.",
        status=503,
        field="file",
        expected="the same upload a little later",
        retry_after=max(1, round(retry_after_s)),
    )
