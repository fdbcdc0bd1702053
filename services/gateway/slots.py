"""How much of what takes long goes on at once, uploads and archives: what each holds has a bound, whoever asks."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.errors import ServiceError

RETRY_AFTER_S = 5


class Slots:
    """A number of places. Who holds some gets one more while more than those are free, so that whoever comes newly
    finds one: alpha is 1 in Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches"
    (1998)."""

    def __init__(self, count: int, refusal: Callable[[float], ServiceError]) -> None:
        """`refusal`: the error for after how many seconds to come back."""
        self._free = count
        self._refusal = refusal
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, owner: str) -> AsyncIterator[None]:
        """A place of this principal while this is open; the refusal is raised when there is none for them."""
        if self._free <= self._held[owner]:
            raise self._refusal(RETRY_AFTER_S)
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


def too_many_exports(retry_after_s: float) -> ServiceError:
    return ServiceError(
        "too_many_exports",
        "Too many archives are being sent now.",
        status=503,
        field="listener_id",
        expected="the same question when one of them is there",
        retry_after=max(1, round(retry_after_s)),
    )
