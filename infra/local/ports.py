"""Which port each part listens on: the one of last time while it is free, else the usual one, else any free one.

A chosen port is free until its part has started, so another launcher could choose it too. Until then it is claimed: a
byte of one file, at the port's own place, is locked. The kernel lets go when the launcher ends, however it ends.
"""

import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from services.private_files import write_private

LOOPBACK = "127.0.0.1"

USUAL: Mapping[str, int] = {
    "postgres": 5432,
    "kafka": 9092,
    "kafka_controller": 9093,
    "mlflow": 5000,
    "ray": 6379,
    "ray_dashboard": 8265,
    "ray_agent": 52365,
    "ray_agent_grpc": 52366,
    "ray_runtime_env": 52367,
    "ray_metrics": 9104,
    "ray_node_manager": 52368,
    "ray_object_manager": 52369,
    "ray_client": 10001,
    "ray_dashboard_metrics": 44227,
    "engine": 8000,
    "gateway": 8080,
    "gateway_metrics": 9105,
    "aggregator": 9101,
    "rollout": 9102,
    "factory": 9103,
}

# Below the range from which Linux takes the near end of outgoing connections (32768 and up).
_ANY = range(20_000, 32_000)

Claim = Callable[[int], bool]


@contextmanager
def claims() -> Iterator[Claim]:
    """Within it ports can be claimed: the answer is False when another launcher of this user has claimed that one.

    Not for two launchers in one process: the locks are the process's.
    """
    path = Path(tempfile.gettempdir()) / f"encore-{os.getuid()}-ports"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "rb+") as file:

        def claim(port: int) -> bool:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except (BlockingIOError, PermissionError):
                return False
            return True

        yield claim


def choose(file: Path, claim: Claim, *, usual: bool = True) -> dict[str, int]:
    """A free port for each name in `USUAL`, remembered in `file`. With `usual=False` the well-known numbers are left
    to others (stacks of tests)."""
    remembered = _read(file)
    chosen: dict[str, int] = {}
    others = random.sample(_ANY, len(_ANY))
    for name, usual_port in USUAL.items():
        wishes = chain([remembered.get(name), usual_port if usual else None], others)
        chosen[name] = _first(wishes, set(chosen.values()), claim)
    if chosen != remembered:
        write_private(file, json.dumps(chosen, indent=1))
    return chosen


def is_free(port: int) -> bool:
    """Nobody listens on this port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _first(wishes: Iterable[int | None], taken: Collection[int], claim: Claim) -> int:
    for port in wishes:
        # Claimed first: whoever had it claimed may just have begun to listen.
        if port and port not in taken and claim(port) and is_free(port):
            return port
    raise OSError(f"no free port between {_ANY.start} and {_ANY.stop}")


def _read(file: Path) -> dict[str, int]:
    try:
        ports = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int)} if isinstance(ports, dict) else {}
