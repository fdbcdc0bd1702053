"""Commands that get something from the network."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_TRIES = 3


def fetch(
    command: Sequence[str | Path], folder: str | Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Runs it, and again where it fails: a network may be away for a moment.

    Raises:
        subprocess.CalledProcessError: it failed at every try.
    """
    for _ in range(_TRIES):
        try:
            subprocess.run(command, check=True, cwd=folder, env=env, capture_output=True, timeout=300)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed = error
        else:
            return
    raise failed
