"""A request of a gateway that may be busy for a moment."""

import time
from collections.abc import Callable

import httpx

_PATIENCE_S = 300.0


def insisted(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first answer that is not "come back later"."""
    limit = time.monotonic() + _PATIENCE_S
    while (answer := ask()).status_code == 503 and time.monotonic() < limit:
        time.sleep(int(answer.headers.get("retry-after", "1")))
    return answer
