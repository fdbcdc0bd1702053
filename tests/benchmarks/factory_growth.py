"""What the factory costs as listeners grow, beside PEFT in one process and beside a job for each of them.

    python -m tests.benchmarks.factory_growth [--base FOLDER] [--listeners 8,32,128,512] [--steps 4] [--threads 1]
        [--dtype bfloat16]

Each row is a process of its own, so that peak memory is its own. What it takes until the first step is what a job for
each listener pays every time: to start, to load the base, and to make room for one adapter.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import torch

from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from serving.engine.heap import keep_freed_memory
from tests.benchmarks.factory import DTYPES, material, one_by_one
from training.factory import Factory
from training.snapshot import Recipe

KIB_PER_MIB = 1024
STACKED, PEFT = "stacked", "peft"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="serving/base", help="folder of a base")
    parser.add_argument("--listeners", default="8,32,128,512")
    parser.add_argument("--steps", type=int, default=4, help="of the factory, as many listeners each as fill a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the base, on both sides")
    parser.add_argument("--side", choices=(STACKED, PEFT), help="measure this one only, in this process")
    options = parser.parse_args()
    if options.side:
        torch.set_num_threads(options.threads)
        keep_freed_memory()
        base = load_base(options.base, dtype=getattr(torch, options.dtype))
        measured = measure(base, int(options.listeners), options.steps, stacked=options.side == STACKED)
        sys.stdout.write(json.dumps(measured) + "\n")
        return
    sys.stdout.write(
        "| way | listeners | CPU-s until the first step | CPU-s a step of one | peak MiB |\n|---|---|---|---|---|\n"
    )
    peft = _row(options, PEFT, 1)
    rows = {int(count): _row(options, STACKED, int(count)) for count in options.listeners.split(",")}
    steps = Recipe().steps
    for count, row in rows.items():
        ours = row["first_s"] / count + steps * row["step_s"]
        alone, job = steps * peft["step_s"], peft["first_s"] + steps * peft["step_s"]
        sys.stdout.write(
            f"{count} listeners, {steps} steps each: {ours:.1f} CPU-s a listener; "
            f"PEFT one by one {alone / ours:.2f} times that, a job each {job / ours:.2f}\n"
        )


def _row(options: argparse.Namespace, side: str, listeners: int) -> dict[str, Any]:
    given = ["--base", options.base, "--steps", str(options.steps), "--threads", str(options.threads)]
    given += ["--dtype", options.dtype]
    command = [sys.executable, "-m", "tests.benchmarks.factory_growth", *given, "--listeners", str(listeners)]
    run = subprocess.run([*command, "--side", side], check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    sys.stdout.write(f"| {side} | {listeners} | {row['first_s']:.1f} | {row['step_s']:.3f} | {row['peak_mib']:.0f} |\n")
    sys.stdout.flush()
    return row


def measure(base: Base, listeners: int, steps: int, *, stacked: bool) -> dict[str, float]:
    """Processor seconds of this process until the first step and for a step of one listener, and its peak memory."""
    step = _factory(base, listeners) if stacked else _alone(base)
    first_s = time.process_time()
    advanced = sum(step() for _ in range(steps))
    return {
        "first_s": first_s,
        "step_s": (time.process_time() - first_s) / advanced,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB,
    }


def _factory(base: Base, listeners: int) -> Callable[[], int]:
    """Advances those whose turn it is; how many."""
    factory, own = Factory(base, Recipe(), listeners), material(base)
    for number in range(listeners):
        factory.join(UUID(int=number), own)
    return lambda: len(factory.step())


def _alone(base: Base) -> Callable[[], int]:
    step = one_by_one(base, Recipe(), material(base), 1)

    def advance() -> int:
        step()
        return 1

    return advance


if __name__ == "__main__":
    main()
