"""Takes a stack down: parts in reverse order, the supervisor, and whatever is left. The data stays."""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial

import psutil

from infra.local import leftovers
from infra.local.home import Home
from infra.local.plan import STOP_ORDER
from infra.local.progress import Step, step
from infra.local.supervision import Supervisor

SHUTDOWN_WAIT_S = 60.0


def down(home: Home) -> list[str]:
    """Stop every part; returns which processes had outlived their supervisor and were ended.

    Raises:
        StackError: another launcher is at work.
    """
    if not home.folder.exists():
        return []
    with home.alone():
        return take_down(home)


def take_down(home: Home) -> list[str]:
    """The same for a caller that holds the folder's lock."""
    supervisor = Supervisor(home)
    with step("stopping") as progress:
        if supervisor.answers():
            _stop_in_order(supervisor, progress)
            progress.detail = "supervisor"
            pid = supervisor.shut_down()
            _wait_for(lambda: not psutil.pid_exists(pid))
        progress.detail = "looking for processes that are left"
        # Ray's workers end by themselves once their raylet has: whoever is on the way out has not outlived anybody.
        leftovers.wait(home.folder)
        left = leftovers.end_all(home.folder)
    shutil.rmtree(home.short, ignore_errors=True)
    home.stack_file.unlink(missing_ok=True)
    return left


def _stop_in_order(supervisor: Supervisor, progress: Step) -> None:
    for names in STOP_ORDER:
        running = [name for name, state in supervisor.states().items() if name in names and state.is_alive]
        for name in running:
            supervisor.stop(name)
        progress.detail = ", ".join(running)
        _wait_for(partial(_all_stopped, supervisor, running))


def _all_stopped(supervisor: Supervisor, names: Sequence[str]) -> bool:
    states = supervisor.states()
    return not any(states[name].is_alive or states[name].state == "STOPPING" for name in names)


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SHUTDOWN_WAIT_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
