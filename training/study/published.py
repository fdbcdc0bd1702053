"""The client of the judging program: a clip goes in, what a published network hears in it comes out.

Neither conditions nor selection nor training know this network: see `judge`.
"""

import json
import struct
import subprocess
import sys
import threading
from pathlib import Path

from torch import Tensor

from serving.engine.hearing.style import resample

JUDGE = Path(__file__).with_name("judge.py")
SAMPLE_RATE = 16_000
# Of the seven labels those in which instrumental music differs.
HEARD = ("acousticness", "danceability", "energy", "instrumentalness", "valence")


class JudgeError(Exception):
    """The judging program does not run; the message says what to do."""


class PublishedEar:
    """One judging process; may be asked from several threads, answers one after the other."""

    def __init__(self, python: str = sys.executable) -> None:
        """Args:
        python: of an environment that has `vibenet`.
        """
        self._process = subprocess.Popen([python, str(JUDGE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._turn = threading.Lock()

    def hear(self, waveform: Tensor, sample_rate: int) -> list[float]:
        """What the network says of `HEARD`, on its own scales.

        Args:
            waveform: mono, at least one second [samples].
            sample_rate: of the waveform.

        Raises:
            JudgeError: the program has ended.
        """
        clip = resample(waveform[None].float(), sample_rate, SAMPLE_RATE)[0].contiguous().numpy()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            try:
                self._process.stdin.write(struct.pack("<I", len(clip)) + clip.tobytes())
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise JudgeError(
                f"{JUDGE.name} ended with status {self._process.wait()}; "
                "if it lacks vibenet: uv pip install --no-deps -r infra/locks/judge.txt"
            )
        found = json.loads(line)
        return [float(found[label]) for label in HEARD]

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
