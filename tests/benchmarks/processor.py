"""Whose processor time is whose, on this machine."""

from pathlib import Path

import psutil


def spent_seconds(process: int) -> float:
    """Seconds that a process was on a processor (Documentation/scheduler/sched-stats.rst)."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def waited_seconds(process: int) -> float:
    """Seconds that its threads were ready to run and had to wait for a processor: the same file's second number."""
    waits = (thread.read_text().split()[1] for thread in Path(f"/proc/{process}/task").glob("*/schedstat"))
    return sum(map(int, waits)) / 1e9


def listening_at(address: str) -> psutil.Process:
    """The process on this machine that listens there, `host:port`."""
    port = int(address.rpartition(":")[2])
    waiting = [each for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr]
    return psutil.Process(next(each.pid for each in waiting if each.laddr and each.laddr.port == port))
