"""Servers that hang: they take connections and bytes, and answer nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from infra.local.probes import host_and_port


@contextmanager
def frozen(address: str) -> Iterator[None]:
    """Within it the server at `host:port`, with all its processes, does nothing."""
    stopped = _serving(address)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)


def _serving(address: str) -> list[psutil.Process]:
    _, port = host_and_port(address)
    pids = {
        found.pid
        for found in psutil.net_connections("tcp")
        if found.laddr and found.laddr.port == port and found.status == psutil.CONN_LISTEN and found.pid
    }
    first = min(pids)  # a listener's workers have later numbers
    return [psutil.Process(first), *psutil.Process(first).children(recursive=True)]
