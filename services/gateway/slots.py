"""How many uploads are taken in at once: bodies and scratch files have a bound, whoever sends them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.errors import ServiceError

RETRY_AFTER_S = 5


class Slots:
    """A number of places; who finds none is told to come back."""

    def __init__(self, count: int) -> None:
        self._free = count

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place while this is open; ServiceError 503 `too_many_uploads` when there is none."""
        if self._free == 0:
            raise too_many_uploads(RETRY_AFTER_S)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def too_many_uploads(retry_after_s: float) -> ServiceError:
    return ServiceError(
        "too_many_uploads",
        "Too many songs are being taken in now.",
        status=503,
        field="file",
        expected="the same upload a little later",
        retry_after=max(1, round(retry_after_s)),
    )
