"""Answers as files: text here, what needs a heavy library in a process that ends with it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

from schemas.analysis import ComparedCells, Form
from services.gateway.analyst.formats import BINARY, encoded

_ROOT: Final = Path(__file__).resolve().parents[3]
_LONGEST_S: Final = 60.0


async def written(answer: ComparedCells, form: Form) -> bytes:
    """The file; the same bytes as `encoded` gives.

    Raises:
        subprocess.SubprocessError: the process failed, or did not end.
    """
    if form in BINARY:
        return await asyncio.to_thread(_by_process, answer, form)
    return encoded(answer, form)


def _by_process(answer: ComparedCells, form: Form) -> bytes:
    command = (sys.executable, "-m", "services.gateway.analyst", form)
    given = answer.model_dump_json().encode()
    # It needs nothing of this process's environment, where secrets are.
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=_LONGEST_S, cwd=_ROOT, env={})
    return done.stdout
