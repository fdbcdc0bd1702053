"""Files that are made to do harm, or that broke off, harm nobody: the process that reads them has limits, and the same
bytes have the same answer, whatever is in its memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.generation import SAMPLE_RATE
from serving.audio import read_song
from serving.decoding import process
from serving.errors import Refused
from tests.serving.sounds import CODED, coded, encoded, melody

ROOT = Path(__file__).resolve().parents[3]
MIB = 2**20

# Decodes each of some lengths of a file under the worker's limits and says what came of it, what it took of processor
# time in seconds, and of memory above what the process had at rest, in bytes.
PROBE = """
import hashlib, json, os, sys, time
from serving.decoding import worker

def high():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024

whole, answers = open(sys.argv[1], "rb").read(), []
worker._restrict()
rest, began = high(), time.process_time()
for size in json.loads(sys.argv[2]):
    file = os.memfd_create("cut")
    os.write(file, whole[:size])
    digest, samples, code = hashlib.sha256(), 0, None
    try:
        for block in worker.blocks(file, int(sys.argv[3]), 600.0):
            digest.update(block)
            samples += len(block) // 8
    except worker.UnusableError as error:
        code = error.problem["code"]
    except MemoryError:
        code = "too_costly"
    os.close(file)
    answers.append([code, samples, digest.hexdigest()])
print(json.dumps({"answers": answers, "cpu": time.process_time() - began, "memory": high() - rest}))
"""


def probed(folder: Path, data: bytes, sizes: list[int], **environment: str) -> dict[str, Any]:
    path = folder / "upload"
    path.write_bytes(data)
    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(path), json.dumps(sizes), str(SAMPLE_RATE)],
        env={"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"} | environment,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr.decode()
    assert result.stderr == b""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def poisoned(byte: int) -> dict[str, str]:
    """Memory that is asked for holds the complement of this byte, memory that is freed the byte: with 255, NaN."""
    return {"MALLOC_PERTURB_": str(byte), "MALLOC_MMAP_THRESHOLD_": str(64 * MIB), "PYTHONMALLOC": "malloc"}


@pytest.mark.parametrize("kind", [*CODED, "ogg", "wav"])
def test_a_cut_file_has_one_answer_and_never_more_than_the_whole(kind: str, tmp_path: Path) -> None:
    wave = melody(3, 48_000)
    data = coded(wave, kind) if kind in CODED else encoded(wave, 48_000, kind.upper(), 2)
    sizes = sorted({*range(1, 60, 7), *np.linspace(60, len(data), 25).astype(int).tolist(), len(data) - 1})
    one, other = (probed(tmp_path, data, sizes, **poisoned(byte))["answers"] for byte in (255, 85))
    assert one == other
    lengths = [samples for _, samples, _ in one]
    assert max(lengths) == lengths[-1] == pytest.approx(3 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert {code for code, *_ in one} <= {None, "truncated", "not_audio", "unsupported_format"}


def rate_of_ten_megahertz() -> bytes:
    data = encoded(melody(120, 48_000), 48_000, "OGG")
    at = data.index(b"\x01vorbis") + 12
    return data[:at] + (10_000_000).to_bytes(4, "little") + data[at + 4 :]


def many_small_samples() -> bytes:
    """An m4a whose table says that it has 200 million samples of one byte."""
    data = bytearray(coded(melody(3, 48_000), "m4a"))
    at = data.index(b"stsz") + 8
    data[at : at + 8] = (1).to_bytes(4, "big") + (200_000_000).to_bytes(4, "big")
    at = data.index(b"stts") + 12
    data[at : at + 4] = (200_000_000).to_bytes(4, "big")
    return bytes(data)


def silence(kind: str, seconds: int, rate: int = 48_000, layout: str = "stereo", times: int = 1) -> bytes:
    return coded(np.zeros(seconds * rate, np.float32), kind, rate, layout) * times


BOMBS: dict[str, tuple[Callable[[], bytes], set[str | None]]] = {
    "a rate of 10 MHz": (rate_of_ten_megahertz, {"unsupported_rate", "truncated"}),
    "a rate of 655,350 Hz": (
        lambda: encoded(np.zeros(120 * 655_350, np.float32), 655_350, "FLAC"),
        {"unsupported_rate"},
    ),
    "an hour of flac": (lambda: silence("flac", 3_600, layout="mono"), {"too_long"}),
    "an hour of opus in links": (lambda: silence("opus", 24, times=150), {"too_long"}),
    "an hour of aac": (lambda: silence("aac", 24, times=150), {"too_long"}),
    "an hour of mp3": (lambda: silence("mp3", 24, times=150), {"too_long"}),
    "an hour of six channels": (lambda: silence("ogg-flac", 24, 96_000, "5.1", times=150), {"too_long"}),
    "a table of 200 million samples": (many_small_samples, {"too_costly", "truncated", None}),
    "links without end": (lambda: encoded(melody(0.1), kind="OGG") * 1000, {"too_costly"}),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_within_two_seconds_of_a_processor_and_200_mb(bomb: str, tmp_path: Path) -> None:
    make, codes = BOMBS[bomb]
    data = make()
    found = probed(tmp_path, data, [len(data)])
    [[code, _, _]] = found["answers"]
    assert code in codes
    assert found["cpu"] < 2, found
    assert found["memory"] < 200 * 1_000_000, found


def refused_by(monkeypatch: pytest.MonkeyPatch, script: str) -> Refused:
    """What is said when the process does this instead of its work."""
    monkeypatch.setattr(process, "WORKER", (sys.executable, "-c", script))
    with pytest.raises(Refused) as caught:
        read_song(encoded(melody(2)))
    return caught.value


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(3)", "damaged"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "damaged"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "too_costly"),
        (
            "import resource, signal; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
            "too_costly",
        ),
        ("import os, sys; os.write(int(sys.argv[1]), b'\\0\\0\\1\\0half a message')", "damaged"),
    ],
)
def test_a_process_that_ends_is_a_refusal(monkeypatch: pytest.MonkeyPatch, script: str, code: str) -> None:
    refusal = refused_by(monkeypatch, script)
    assert (refusal.status, refusal.problem.code, refusal.problem.field) == (422, code, "file")


def test_a_process_that_goes_on_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "WALL_S", 10.0)  # so long that it has written who it is
    mark = tmp_path / "pid"
    script = f"import os; open({str(mark)!r}, 'w').write(str(os.getpid())); import time; time.sleep(600)"
    assert refused_by(monkeypatch, script).problem.code == "too_costly"
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENCORE_ARM_SALT", "a secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    seen = tmp_path / "seen"
    refused_by(monkeypatch, f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))")
    assert "PYTHONPATH" in seen.read_text()
    assert "secret" not in seen.read_text().lower()
