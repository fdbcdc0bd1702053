"""What engine and factory take in each dtype on this machine, and what is therefore chosen.

    python -m tests.benchmarks.dtypes [--base FOLDER] [--rounds 3]

The whole denoiser of the base: a forward of eight rows of ten seconds with an adapter each, as the engine steps, and a
forward and backward of four stacked listeners' rows, as the factory trains. Processor time on one thread, the best of
the rounds; dtypes take turns. Ratios are float32 over bfloat16.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from serving.engine import profile
from serving.engine.adapters.pool import attach
from serving.engine.bases.interfaces import WINDOW_S
from serving.engine.bases.load import load_base
from serving.engine.hardware.choice import choose
from serving.engine.hardware.machine import cores, describe
from serving.engine.hardware.measure import measure
from serving.engine.heap import keep_freed_memory
from tests.benchmarks.engine import BASE
from tests.benchmarks.factory import material, stacked
from training.snapshot import Recipe

DTYPES = ("float32", "bfloat16")
ROWS, LISTENERS = 8, 4
UNITS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=str(BASE))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()
    timings = measure(Path(options.base), torch.device("cpu"), cores())
    torch.set_num_threads(1)
    steps = {f"{work}, {dtype}": make(options.base, dtype) for work, make in WORKS.items() for dtype in DTYPES}
    seconds = {name: min(_seconds(step) for _ in range(options.rounds + 1)) for name, step in steps.items()}
    facts = describe(Path(options.base), torch.device("cpu"))
    told = {
        "processor": facts["processor"],
        "flags": [unit for unit in UNITS if unit in facts["flags"].split()],
        "load": round(os.getloadavg()[0], 1),
        "cpu_s": {name: round(each, 3) for name, each in seconds.items()},
        "float32 over bfloat16": {
            work: round(seconds[f"{work}, float32"] / seconds[f"{work}, bfloat16"], 2) for work in WORKS
        },
        "chosen": vars(choose(timings, cores())),
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def engine(folder: str, dtype: str) -> Callable[[], object]:
    """A forward of mixed slots."""
    base = load_base(folder, dtype=getattr(torch, dtype))
    step = profile.forward(base, attach(base.transformer, 17, 8, torch.bfloat16), base.codec.frames_for(WINDOW_S))
    return lambda: step(ROWS)


def factory(folder: str, dtype: str) -> Callable[[], object]:
    """A step of everybody."""
    base = load_base(folder, dtype=getattr(torch, dtype))
    return stacked(base, Recipe(), material(base), LISTENERS)


WORKS = {"engine": engine, "factory": factory}


def _seconds(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
