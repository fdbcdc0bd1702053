"""Only processes of the stack are found, all of them, and none survives."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local import leftovers

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
)
PARENT = (
    "import os, subprocess, sys, time\n"
    "child = {name: value for name, value in os.environ.items() if not name.startswith('ENCORE_')}\n"
    "process = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env=child)\n"
    "print(process.pid, flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def spawned() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def _spawn(processes: list[subprocess.Popen[str]], code: str, **environment: str) -> subprocess.Popen[str]:
    """A process with these variables that has said its first word."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    processes.append(process)
    return process


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_marked_process_is_ended_even_if_it_ignores_the_request(
    tmp_path: Path, spawned: list[subprocess.Popen[str]]
) -> None:
    process = _spawn(spawned, STUBBORN, ENCORE_HOME=str(tmp_path), ENCORE_PART="kafka")
    _first_line(process)
    found = leftovers.find(tmp_path)
    assert [member.pid for member in found] == [process.pid]
    leftovers.end(found, grace_s=0.2)
    assert not psutil.pid_exists(process.pid)
    assert leftovers.find(tmp_path) == []


def test_descendants_without_the_mark_are_found(tmp_path: Path, spawned: list[subprocess.Popen[str]]) -> None:
    process = _spawn(spawned, PARENT, ENCORE_HOME=str(tmp_path), ENCORE_PART="ray")
    child = int(_first_line(process))
    assert {member.pid for member in leftovers.find(tmp_path)} == {process.pid, child}
    ended = leftovers.end_all(tmp_path)
    assert len(ended) == 2
    assert any(name.startswith(f"ray: {sys.executable}") for name in ended)
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_who_ends_by_itself_has_not_outlived_anybody(tmp_path: Path, spawned: list[subprocess.Popen[str]]) -> None:
    """As Ray's workers do, which end when they see that their raylet has."""
    leaving = "import sys; print('on', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", leaving], env=os.environ | {"ENCORE_HOME": str(tmp_path), "ENCORE_PART": "ray"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    spawned.append(process)
    _first_line(process)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    leftovers.wait(tmp_path, grace_s=60)
    assert leftovers.end_all(tmp_path) == []


def test_who_does_not_end_is_not_waited_for_forever(tmp_path: Path, spawned: list[subprocess.Popen[str]]) -> None:
    process = _spawn(spawned, STUBBORN, ENCORE_HOME=str(tmp_path), ENCORE_PART="kafka")
    _first_line(process)
    leftovers.wait(tmp_path, grace_s=0.2)
    assert [member.pid for member in leftovers.find(tmp_path)] == [process.pid]


def test_a_shell_of_the_same_home_and_parts_of_others_are_spared(
    tmp_path: Path, spawned: list[subprocess.Popen[str]]
) -> None:
    shell = _spawn(spawned, STUBBORN, ENCORE_HOME=str(tmp_path))
    neighbour = _spawn(spawned, STUBBORN, ENCORE_HOME=f"{tmp_path}2", ENCORE_PART="kafka")
    other_part = _spawn(spawned, STUBBORN, ENCORE_HOME=str(tmp_path), ENCORE_PART="kafka")
    for process in (shell, neighbour, other_part):
        _first_line(process)
    assert leftovers.find(tmp_path, "ray") == []
    assert [member.pid for member in leftovers.find(tmp_path)] == [other_part.pid]
