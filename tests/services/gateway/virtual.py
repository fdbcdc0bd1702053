"""An event loop whose time is only told: nobody waits, and whatever is computed takes none of it."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any


class _Never(selectors.DefaultSelector):
    """Waits for nothing: what it should have waited is told."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing would ever happen"
        self.waited += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._never = _Never()
        super().__init__(self._never)

    def time(self) -> float:
        return 100.0 + self._never.waited


def virtually(test: Callable[[], Awaitable[Any]]) -> Any:
    """What the coroutine returns, in no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(test())  # type: ignore[arg-type]
