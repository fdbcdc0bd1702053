"""The replica's side of decoding: a process for each upload, what it makes of the file, and its end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.generation import MAX_SONG_SECONDS, SAMPLE_RATE
from serving.errors import Refused, refused

LOG = structlog.get_logger()
WALL_S = 120.0
WORKER = (sys.executable, "-m", "serving.decoding.worker")
ROOT = Path(__file__).resolve().parents[2]
# All that the process gets of our environment, which holds secrets.
KEPT = ("PATH", "LD_LIBRARY_PATH", "MALLOC_PERTURB_", "MALLOC_MMAP_THRESHOLD_")
TOO_COSTLY = {
    "code": "too_costly",
    "message": "The file takes more work to decode than any song does.",
    "expected": "an ordinary audio file",
}
DAMAGED = {"code": "damaged", "message": "The file cannot be decoded.", "expected": "a whole file"}
KILLED = (-signal.SIGXCPU, -signal.SIGKILL)


def decoded(data: bytes) -> Generator[NDArray[np.float32], None, None]:
    """PCM of an upload at `SAMPLE_RATE`, block by block [samples, 2]: the mean of its channels, and the first of them.

    Raises:
        Refused: 422 with the field `file`, when the file cannot be decoded, at the block where that shows.
    """
    with _process(data) as (process, pipe):
        until = time.monotonic() + WALL_S
        while block := _message(process, pipe, until):
            yield np.frombuffer(block, np.float32).reshape(-1, 2)
        problem = json.loads(_message(process, pipe, until))
    if problem:
        raise unusable(**problem)


def unusable(code: str, message: str, expected: str) -> Refused:
    """How an upload is refused."""
    return refused(422, code, message, field="file", expected=expected)


@contextmanager
def _process(data: bytes) -> Iterator[tuple["subprocess.Popen[bytes]", Connection]]:
    """The process at work on these bytes; ended when left."""
    ours, theirs = Pipe(duplex=False)
    with ours, _file(data) as file:
        with theirs:
            process = subprocess.Popen(
                [*WORKER, str(theirs.fileno()), str(SAMPLE_RATE), str(MAX_SONG_SECONDS)],
                stdin=file,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=_environment(),
            )
        try:
            yield process, ours
        finally:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"}


@contextmanager
def _file(data: bytes) -> Iterator[int]:
    """A nameless file in memory, read from its beginning."""
    file = os.memfd_create("upload")
    try:
        with open(file, "wb", closefd=False) as target:
            target.write(data)
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


def _message(process: "subprocess.Popen[bytes]", pipe: Connection, until: float) -> bytes:
    try:
        if pipe.poll(max(0.0, until - time.monotonic())):
            return pipe.recv_bytes()
    except (EOFError, OSError):
        status = process.wait()
        LOG.warning("decoder_ended", status=status)
        raise unusable(**(TOO_COSTLY if status in KILLED else DAMAGED)) from None
    raise unusable(**TOO_COSTLY)
