"""The engine against plain ways of serving many listeners' adapters with the same model, as a Markdown table.

    python -m tests.benchmarks.engine [--json FILE] [--only ROW ...] [--threads N]

Every ratio is of one run: the sides take turns, round by round, in one process with the same weights. On a GPU where
there is one. The numbers are worth reading on a machine that does nothing else; the load before is printed.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from serving.engine import profile
from serving.engine.adapters.pool import attach
from serving.engine.bases.base import Base
from serving.engine.bases.interfaces import WINDOW_S
from serving.engine.bases.load import load_base
from serving.engine.heap import keep_freed_memory
from tests.benchmarks import engine_growth, engine_load, engine_overhead
from tests.benchmarks.peers import POOL_DTYPE, RANK, fill
from tests.benchmarks.report import Line, facts, markdown


def measure_publish(base: Base, cap: int) -> list[Line]:
    """The one part that needs Ray, which a machine with a GPU may lack."""
    from tests.benchmarks import engine_publish

    return engine_publish.measure(base, cap)


ROWS: Mapping[str, Callable[[Base, int], list[Line]]] = {
    "overhead": engine_overhead.measure,
    "load": engine_load.measure,
    "growth": engine_growth.measure,
    "publish": measure_publish,
}
BASE = Path(__file__).parents[2] / "serving/base"


def main() -> int:
    """Returns the exit status: 1 when a part of the table could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the same figures for a program")
    parser.add_argument("--only", choices=list(ROWS), nargs="+", default=list(ROWS), help="not the whole table")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of one forward")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    about = facts(device, dtype, POOL_DTYPE)
    base = load_base(BASE, device, dtype)
    curve, cap = batch_cap(base)
    lines: list[Line] = []
    failed = False
    for name in options.only:
        began = time.monotonic()
        try:
            lines += ROWS[name](base, cap)
        except Exception:  # noqa: BLE001 - minutes of figures are at stake; what failed is shown
            traceback.print_exc()
            failed = True
        sys.stderr.write(f"{name}: done after {time.monotonic() - began:.0f} s\n")
    print(f"{markdown(lines, about)}\n\n{_curve_table(curve, cap)}")
    if options.json:
        Path(options.json).write_text(
            json.dumps({"about": about, "batch_cap": cap, "lines": [asdict(one) for one in lines]}, indent=1)
        )
    return int(failed)


def batch_cap(base: Base) -> tuple[tuple[profile.Point, ...], int]:
    """What the engine finds at its start: seconds of a step by its rows, and the most rows that it would take."""
    pool = attach(base.transformer, profile.COUNTS[-1] + 1, RANK, POOL_DTYPE)
    fill(pool, base)
    curve = profile.measure(
        profile.forward(base, pool, base.codec.frames_for(WINDOW_S)), first_is_slow=torch.cuda.is_available()
    )
    pool.detach()
    return curve, profile.choose(curve)


def _curve_table(curve: Sequence[profile.Point], cap: int) -> str:
    rows = [
        f"Batch cap that the engine would choose here: {cap} rows (steps of {WINDOW_S:.0f} s).",
        "",
        "| rows | ms a step | rows/s |",
        "|---|---|---|",
        *(f"| {point.rows} | {1000 * point.seconds:.0f} | {point.rate:.1f} |" for point in curve),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
