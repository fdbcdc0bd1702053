"""Progress for a person who waits: what is being done, how far, how long so far. Standard library only, because the
launcher shows progress before anything is installed."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TERMINAL_TICK_S = 0.2
FILE_TICK_S = 15.0


class Step:
    """One wait. Set `detail` to say how far it is; the text is shown at the next tick."""

    def __init__(self, title: str, out: TextIO) -> None:
        self.title = title
        self.detail = ""
        self._out = out
        self._started = time.monotonic()
        self._over = threading.Event()
        self._terminal = out.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Print a line that stays, above the moving one."""
        self._write(f"  {text}", stays=True)

    def tick_until_over(self) -> None:
        while not self._over.wait(TERMINAL_TICK_S if self._terminal else FILE_TICK_S):
            self._write(f"{self.title}: {self.detail or 'working'} ({self.seconds:.0f} s so far)", stays=False)

    def finish(self, outcome: str) -> None:
        self._over.set()
        self._write(f"{self.title}: {outcome} after {self.seconds:.1f} s", stays=True)

    def _write(self, line: str, *, stays: bool) -> None:
        if self._terminal:
            self._out.write(f"\r\033[K{line}" + ("\n" if stays else ""))
        else:
            self._out.write(line + "\n")
        self._out.flush()


@contextmanager
def step(title: str, out: TextIO | None = None) -> Iterator[Step]:
    """Show `title` with its running time until the block ends, then how it ended."""
    shown = Step(title, out or sys.stderr)
    ticking = threading.Thread(target=shown.tick_until_over, daemon=True)
    ticking.start()
    outcome = "stopped"
    try:
        yield shown
        outcome = "done"
    finally:
        shown.finish(outcome)
        ticking.join()
