"""Answers as files: text here, what needs a heavy library in a process that ends with it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

from schemas.analysis import ComparedCells, Form
from services.errors import ServiceError
from services.gateway.analyst.formats import BINARY, encoded

_ROOT: Final = Path(__file__).resolve().parents[3]
_LONGEST_S: Final = 60.0


async def written(answer: ComparedCells, form: Form) -> bytes:
    """The file; the same bytes as `encoded` gives.

    Raises:
        ServiceError: 503 `file_not_made`: the process failed, or did not end.
    """
    if form not in BINARY:
        return encoded(answer, form)
    try:
        return await asyncio.to_thread(_by_process, answer, form)
    except subprocess.SubprocessError as error:
        message = "The file could not be made; the same answer is there as csv and json."
        raise ServiceError("file_not_made", message, status=503, retry_after=5) from error


def _by_process(answer: ComparedCells, form: Form) -> bytes:
    command = (sys.executable, "-m", "services.gateway.analyst", form)
    given = answer.model_dump_json().encode()
    # It needs nothing of this process's environment, where secrets are.
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=_LONGEST_S, cwd=_ROOT, env={})
    return done.stdout
