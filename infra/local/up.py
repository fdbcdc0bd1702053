"""Brings a stack up: starts what is not running, each part as soon as what it needs is ready, and waits until every
part is well."""

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from infra.local import kafka, leftovers
from infra.local.down import take_down
from infra.local.errors import PartFailedError, StackError
from infra.local.home import Home
from infra.local.jobs import Job, jobs
from infra.local.part import Part, Stack
from infra.local.plan import plan
from infra.local.ports import Claim, claims
from infra.local.probes import ask
from infra.local.progress import Step, step
from infra.local.supervision import Supervisor

# Looking costs what the parts need to start.
FIRST_LOOK_S, LAST_LOOK_S = 0.1, 1.0
LOG_LINES_SHOWN = 15


def up(
    home: Home, environ: Mapping[str, str], only: Sequence[str] = (), *, usual_ports: bool = True
) -> tuple[Stack, dict[str, float]]:
    """Bring up the parts named in `only` and what they need, or all; returns the stack and seconds per part or job.

    Raises:
        StackError: another launcher is at work, the stack runs with other settings, or a part does not get well
            (PartFailedError, with its last log lines; the others keep running).
        KeyboardInterrupt: as it came; what this call started has been stopped.
    """
    with home.alone(), claims() as claim:
        home.make()
        supervisor = Supervisor(home)
        launched = not supervisor.answers()
        try:
            stack = _launch(home, environ, supervisor, claim, usual_ports) if launched else _join(home, environ)
            return stack, _bring_up(home, stack, environ, supervisor, only)
        except KeyboardInterrupt:
            if launched:
                take_down(home)
            raise


def _launch(home: Home, environ: Mapping[str, str], supervisor: Supervisor, claim: Claim, usual_ports: bool) -> Stack:
    left = leftovers.end_all(home.folder)
    stack = plan(home, environ, claim, usual_ports=usual_ports)
    stack.save(home)
    shutil.rmtree(home.run / "starts")
    home.make()
    supervisor.launch(stack, environ)
    if left:
        with step("cleaning up") as progress:
            progress.say(f"{len(left)} processes of an earlier stack had lost their supervisor and were ended")
    return stack


def _join(home: Home, environ: Mapping[str, str]) -> Stack:
    """The running stack, when it is the one that this caller would start."""
    running = Stack.load(home.stack_file)
    kafka.require_logins(running)
    known = {name: value for name, value in environ.items() if name.startswith("ENCORE_")}
    other = [
        name
        for name, value in known.items()
        if value and name != "ENCORE_HOME" and (told := _told(running, name)) and value not in told
    ]
    if other:
        raise StackError(f"The stack runs with another {', '.join(sorted(other))}: ./encore down first, then up.")
    return running


def _told(stack: Stack, name: str) -> set[str]:
    """What its parts are told under this name, all of them or each alone."""
    environments = (stack.environment, *(part.environment for part in stack.parts))
    return {environment[name] for environment in environments if name in environment}


def _bring_up(
    home: Home, stack: Stack, environ: Mapping[str, str], supervisor: Supervisor, only: Sequence[str]
) -> dict[str, float]:
    nodes: dict[str, Part | Job] = {part.name: part for part in stack.parts}
    nodes |= {job.name: job for job in jobs(home, stack, environ)}
    for name in only:
        if name not in nodes:
            raise StackError(f"There is no part {name!r}; there are {', '.join(part.name for part in stack.parts)}.")
    wanted = _with_needs(nodes, only or [part.name for part in stack.parts])
    giving_up = threading.Event()

    def make_ready(node: Part | Job) -> str:
        if isinstance(node, Job):
            node.run()
            return "done"
        return _make_well(home, node, supervisor, giving_up)

    with step(f"starting {len(wanted)} parts and jobs") as progress:
        return _in_order({name: nodes[name] for name in nodes if name in wanted}, make_ready, giving_up, progress)


def _with_needs(nodes: Mapping[str, Part | Job], names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    rest = list(names)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest.extend(nodes[name].after)
    return found


def _in_order(
    nodes: Mapping[str, Part | Job],
    make_ready: Callable[[Part | Job], str],
    giving_up: threading.Event,
    progress: Step,
) -> dict[str, float]:
    """Run `make_ready` for each node as soon as those before it are ready; returns seconds by name."""
    seconds: dict[str, float] = {}
    begun: dict[Future[str], tuple[str, float]] = {}
    waiting = dict(nodes)
    with ThreadPoolExecutor(max_workers=len(nodes)) as threads:
        try:
            while waiting or begun:
                for name in [name for name, node in waiting.items() if all(need in seconds for need in node.after)]:
                    begun[threads.submit(make_ready, waiting.pop(name))] = (name, time.monotonic())
                for future in wait(begun, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    name, since = begun.pop(future)
                    outcome = future.result()
                    seconds[name] = round(time.monotonic() - since, 2)
                    progress.say(f"{name:<24}{outcome:<10}{seconds[name]:>6.1f} s")
                progress.detail = _how_far(len(seconds), len(nodes), begun.values())
        finally:
            giving_up.set()
    return seconds


def _how_far(ready: int, total: int, begun: Iterable[tuple[str, float]]) -> str:
    names = ", ".join(f"{name} {time.monotonic() - since:.0f} s" for name, since in begun)
    return f"{ready} of {total} ready, waiting for {names}"


def _make_well(home: Home, part: Part, supervisor: Supervisor, giving_up: threading.Event) -> str:
    """Start a part unless it runs, and wait until it answers its probe."""
    ran = part.is_ours and supervisor.states()[part.name].runs
    if part.is_ours:
        supervisor.start(part.name)
    starts, until = _starts(home, part), time.monotonic() + part.patience_s
    pause = FIRST_LOOK_S
    while not giving_up.wait(pause):
        pause = min(pause * 1.5, LAST_LOOK_S)
        wrong = _what_is_wrong(part, supervisor)
        if not wrong:
            return "runs" if ran or not part.is_ours else "ready"
        if _starts(home, part) - starts >= part.most_starts:
            raise PartFailedError(_report(home, part, f"ended {part.most_starts} times in a row"))
        if time.monotonic() > until:
            raise PartFailedError(_report(home, part, f"was not well within {part.patience_s} s ({wrong})"))
    raise PartFailedError(f"{part.name}: not waited for any longer")


def _what_is_wrong(part: Part, supervisor: Supervisor) -> str:
    if part.is_ours:
        state = supervisor.states()[part.name]
        if not state.runs or (part.probe.kind == "process" and state.state != "RUNNING"):
            return f"{state.state} {state.detail}"
    return ask(part.probe)


def _starts(home: Home, part: Part) -> int:
    file = home.starts_of(part.name)
    return file.stat().st_size if file.exists() else 0


def _report(home: Home, part: Part, wrong: str) -> str:
    if not part.is_ours:
        return f"{part.name} at {part.address} {wrong}"
    log = home.log_of(part.name)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:] if log.exists() else []
    text = "\n".join(f"    {line}" for line in lines)
    return (
        f"{part.name} {wrong}.\nThe end of {log}:\n{text}\n"
        "The other parts keep running: ./encore up tries again, ./encore down stops them."
    )
