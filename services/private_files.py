"""Files with secrets in them."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write a whole file at once, mode 0600: a reader sees the old text or the new, never a part."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
