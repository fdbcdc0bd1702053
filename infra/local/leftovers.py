"""Finds and ends processes of a stack that outlived their supervisor. Every child carries `ENCORE_HOME` and
`ENCORE_PART` in its environment; a person's shell may carry the first, never the second: it is never taken for one."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

GRACE_S = 10.0
# Characters of a command line that are told.
SHOWN = 80


def find(home: Path, part: str | None = None) -> list[psutil.Process]:
    """Living processes of the stack in `home` (of one part if named), their descendants included, without this one
    and its ancestors."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if _belongs(process, home, part):
            for member in (process, *_descendants(process)):
                found[member.pid] = member
    for spared in (os.getpid(), *(ancestor.pid for ancestor in psutil.Process().parents())):
        found.pop(spared, None)
    return list(found.values())


def end(processes: Iterable[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Ask each to end, and kill those that have not after `grace_s` seconds."""
    asked = list(processes)
    for process in asked:
        _signal(process, _polite(process))
    _, stubborn = psutil.wait_procs(asked, timeout=grace_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=grace_s)


def wait(home: Path, grace_s: float = GRACE_S) -> None:
    """Give what is left of a stack the time to end by itself; returns as soon as nothing is left."""
    until = time.monotonic() + grace_s
    while (processes := find(home)) and time.monotonic() < until:
        psutil.wait_procs(processes, timeout=until - time.monotonic())


def end_all(home: Path, part: str | None = None) -> list[str]:
    """End all that is left of a stack, until nothing is found any more; returns the name of each."""
    ended: list[str] = []
    # A dying process may start another one just before the end.
    for _attempt in range(3):
        processes = find(home, part)
        if not processes:
            break
        ended += [_called(process) for process in processes]
        end(processes)
    return ended


def _called(process: psutil.Process) -> str:
    """A part and the beginning of a command line: what to look for in the part's log."""
    try:
        return f"{process.environ().get('ENCORE_PART', 'postgres')}: {' '.join(process.cmdline())[:SHOWN]}"
    except psutil.Error:
        return f"process {process.pid}"


def _belongs(process: psutil.Process, home: Path, part: str | None) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if _is_server_process_of_postgres(process, home):
            return part in (None, "postgres")
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    owner = environment.get("ENCORE_PART")
    return environment.get("ENCORE_HOME") == str(home) and bool(owner) and part in (None, owner)


def _is_server_process_of_postgres(process: psutil.Process, home: Path) -> bool:
    # PostgreSQL writes its titles over its environment; its working directory is the data folder.
    return process.name() == "postgres" and process.cwd() == str(home / "postgres")


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _polite(process: psutil.Process) -> signal.Signals:
    # To the postmaster, TERM means to wait for every client; INT ends the sessions and stops cleanly.
    try:
        return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
    except psutil.Error:
        return signal.SIGTERM


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
