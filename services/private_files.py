"""Files with secrets in them."""

import os
import time
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Final

_DRAFT_S: Final = 60.0
"""A draft is there for a moment; one so old was left by a process that was killed."""


def write_private(file: Path, text: str) -> None:
    """Write a whole file at once, mode 0600: a reader sees the old text or the new, never a part. What killed processes
    have left of such a file is removed."""
    clear_drafts(file)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def clear_drafts(file: Path) -> None:
    """Remove what processes have left that were killed while they wrote this file: it may hold its secrets."""
    for left in file.parent.glob(f"{escape(file.name)}.*"):
        with suppress(FileNotFoundError):  # another one's, which is whole now
            if left.suffix[1:].isdigit() and time.time() - left.stat().st_mtime > _DRAFT_S:
                left.unlink()
