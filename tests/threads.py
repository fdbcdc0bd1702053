"""Threads that tests start. They are daemons: one that hangs fails its own test and does not hold up the run's end."""

from threading import Thread
from typing import Final

_PATIENCE_S: Final = 300.0


def ended(thread: Thread) -> None:
    """Returns when the thread, told to end before, has ended; fails if it does not."""
    thread.join(_PATIENCE_S)
    assert not thread.is_alive(), f"{thread.name} was told to end and still runs"
