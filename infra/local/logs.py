"""Shows the log of one part."""

import os
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import TextIO

from infra.local.errors import StackError
from infra.local.home import Home

POLL_S = 0.3


def show(home: Home, part: str, lines: int, *, follow: bool) -> None:
    """Print the last `lines` lines, and with `follow` what is added, until interrupted.

    Raises:
        StackError: the part has no log; the text names those that have.
    """
    log = home.log_of(part)
    if Path(part).name != part or not log.exists():
        known = ", ".join(sorted(file.stem for file in home.logs.glob("*.log")))
        raise StackError(f"There is no log of {part!r}; there are logs of: {known or 'nothing yet'}.")
    # As other tools do: the end of a reader such as `head` is the end, without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    stream: TextIO = log.open(errors="replace")
    sys.stdout.writelines(deque(stream, maxlen=max(lines, 0)))
    sys.stdout.flush()
    while follow:
        stream = _newest(stream, log)
        _pass_on(stream)
        time.sleep(POLL_S)


def _newest(stream: TextIO, log: Path) -> TextIO:
    """The file of that name: rotation gives it to a new one, after the last line of the old one was written."""
    if not log.exists() or log.stat().st_ino == os.fstat(stream.fileno()).st_ino:
        return stream
    _pass_on(stream)
    stream.close()
    return log.open(errors="replace")


def _pass_on(stream: TextIO) -> None:
    sys.stdout.write(stream.read())
    sys.stdout.flush()
