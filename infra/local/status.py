"""The state of every part, for eyes (a table) and for programs (JSON)."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from infra.local import engine_status
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Stack
from infra.local.probes import ask
from infra.local.supervision import PartState, Supervisor

MEMORY = (
    "Memory in use: PSS shares out the pages that several processes have in common, so that its sum is what the stack "
    "takes; RSS counts them once in each process."
)


@dataclass(frozen=True)
class PartStatus:
    """`state` is supervisord's word, or `elsewhere` for a part that is only used, or `stopped` with no stack.

    Memory is that of the part's whole process tree: `rss_bytes` counts shared pages once for each process,
    `pss_bytes` shares them out.
    """

    name: str
    address: str
    state: str
    healthy: bool
    detail: str
    pid: int | None
    processes: int
    rss_bytes: int
    pss_bytes: int
    restarts: int
    seconds_up: int
    metrics: str


def statuses(home: Home) -> list[PartStatus]:
    """Every part of the stack in `home`; empty when none was started."""
    try:
        stack = Stack.load(home.stack_file)
        states = Supervisor(home).states()
    except FileNotFoundError:
        return []
    except StackError:
        states = {}
    with ThreadPoolExecutor(max_workers=len(stack.parts)) as threads:
        return list(threads.map(lambda part: _status(home, part, states.get(part.name)), stack.parts))


def as_json(found: list[PartStatus], replicas: list[dict[str, Any]]) -> str:
    """`{"healthy": bool, "parts": [...], "engine": [...], "rss_bytes", "pss_bytes"}`."""
    facts = {
        "healthy": all_healthy(found),
        "rss_bytes": sum(status.rss_bytes for status in found),
        "pss_bytes": sum(status.pss_bytes for status in found),
        "parts": [asdict(status) for status in found],
        "engine": replicas,
    }
    return json.dumps(facts, indent=1)


def all_healthy(found: list[PartStatus]) -> bool:
    """Whether there is a stack and every part of it is well."""
    return bool(found) and all(status.healthy for status in found)


def show(found: list[PartStatus], replicas: list[dict[str, Any]]) -> None:
    """Print the table of parts and that of the engine's replicas."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=MEMORY, caption_justify="left")
    for title in ("part", "address", "health"):
        table.add_column(title)
    for title in ("pid", "processes", "PSS", "RSS", "restarts", "up"):
        table.add_column(title, justify="right")
    for status in found:
        table.add_row(*_row(status))
    total_pss, total_rss = (sum(getattr(status, name) for status in found) for name in ("pss_bytes", "rss_bytes"))
    table.add_section()
    table.add_row("all", "", "", "", "", _mebibytes(total_pss), _mebibytes(total_rss))
    # A table that goes into a file or a pipe must not be cut at 80 columns.
    console = Console() if sys.stdout.isatty() else Console(width=180)
    console.print(table)
    engine_status.show(replicas, console)


def _row(status: PartStatus) -> list[str]:
    health = "[green]well[/]" if status.healthy else f"[red]{status.state.lower()}[/] {status.detail[:60]}"
    runs = status.pid is not None
    return [
        status.name,
        status.address,
        f"{health} (elsewhere)" if status.state == "elsewhere" else health,
        str(status.pid or ""),
        str(status.processes or ""),
        _mebibytes(status.pss_bytes) if runs else "",
        _mebibytes(status.rss_bytes) if runs else "",
        str(status.restarts) if runs else "",
        f"{status.seconds_up} s" if runs else "",
    ]


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _status(home: Home, part: Part, state: PartState | None) -> PartStatus:
    word = "elsewhere" if not part.is_ours else state.state if state else "stopped"
    runs = state is not None and state.runs
    wrong = ask(part.probe) if runs or not part.is_ours else (state.detail if state else "no supervisor")
    rss, pss, processes = _memory(state.pid) if state and runs else (0, 0, 0)
    starts = home.starts_of(part.name)
    return PartStatus(
        name=part.name,
        address=part.address,
        state=word,
        healthy=not wrong,
        detail=wrong,
        pid=state.pid if state and runs else None,
        processes=processes,
        rss_bytes=rss,
        pss_bytes=pss,
        restarts=max(starts.stat().st_size - 1, 0) if starts.exists() else 0,
        seconds_up=int(time.time()) - state.started_at if state and runs else 0,
        metrics=part.metrics,
    )


def _memory(pid: int) -> tuple[int, int, int]:
    """Resident and proportional bytes of a process tree, and how many processes it has."""
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0, 0, 0
    sizes = [_sizes(process) for process in tree]
    return sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes), len(sizes)


def _sizes(process: psutil.Process) -> tuple[int, int]:
    try:
        rss = process.memory_info().rss
    except psutil.Error:
        return 0, 0
    try:
        return rss, process.memory_full_info().pss
    except psutil.Error:
        return rss, rss
