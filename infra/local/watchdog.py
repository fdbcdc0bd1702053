"""The watchdog part: asks every part regularly and restarts one that runs but does not answer, one that supervisord
has given up on, and one whose forerunner was started again. Parts that end are restarted by supervisord itself."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Stack
from infra.local.probes import ask
from infra.local.supervision import PartState, Supervisor

INTERVAL_S = 10.0
# A machine that is busy is no reason to restart anything.
ANSWER_WAIT_S = 20.0
FAILURES_BEFORE_RESTART = 4

log = structlog.get_logger()


@dataclass
class Watch:
    """What is remembered of one part between rounds."""

    failures: int = 0
    well_since: int = -1


def main() -> None:
    """Watch until SIGTERM."""
    structlog.configure(processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()])
    home = Home(Path(os.environ["ENCORE_HOME"]))
    stack, supervisor = Stack.load(home.stack_file), Supervisor(home)
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    watches = {part.name: Watch() for part in stack.parts}
    log.info("watching", parts=len(watches))
    while not over.wait(INTERVAL_S):
        try:
            look_round(stack, supervisor, watches)
        except StackError as error:
            log.warning("supervisor_away", error=str(error))


def look_round(stack: Stack, supervisor: Supervisor, watches: Mapping[str, Watch]) -> None:
    """Look at every part once and act on what is found."""
    states = supervisor.states()
    for part in stack.parts:
        if not part.is_ours or part.name == "watchdog":
            continue
        state = states[part.name]
        if state.state in ("FATAL", "EXITED"):
            log.warning("starting_again", part=part.name, state=state.state)
            supervisor.start(part.name)
        elif state.state == "RUNNING":
            reason = why_restart(part, states, watches[part.name], ask(part.probe, ANSWER_WAIT_S), time.time())
            if reason:
                log.warning("restarting", part=part.name, reason=reason)
                supervisor.restart(part.name)


def why_restart(part: Part, states: Mapping[str, PartState], watch: Watch, wrong: str, now: float) -> str:
    """Why a running part is to be restarted, or "". `wrong` is the answer of its probe, `now` in epoch seconds."""
    state = states[part.name]
    if part.follows and _started_after(states.get(part.follows), state):
        return f"{part.follows} was started again"
    if not wrong:
        watch.failures, watch.well_since = 0, state.started_at
        return ""
    is_still_starting = watch.well_since != state.started_at and now - state.started_at < part.patience_s
    if is_still_starting:
        return ""
    watch.failures += 1
    log.warning("not_well", part=part.name, times=watch.failures, error=wrong)
    if watch.failures < FAILURES_BEFORE_RESTART:
        return ""
    watch.failures = 0
    return wrong


def _started_after(forerunner: PartState | None, state: PartState) -> bool:
    return forerunner is not None and forerunner.state == "RUNNING" and forerunner.started_at > state.started_at


if __name__ == "__main__":
    main()
