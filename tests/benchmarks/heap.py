"""What keeping freed memory saves: processor time and page faults of a forward, a process for each side.

python -m tests.benchmarks.heap [--rows N] [--threads N]
"""

import argparse
import json
import resource
import subprocess
import sys

import torch

from serving.engine.bases.base import nothing_given
from serving.engine.bases.load import load_base
from serving.engine.heap import keep_freed_memory
from tests.benchmarks.engine import BASE

SECONDS, FORWARDS = 10.0, 5
KEPT, RETURNED = "kept", "returned"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=(KEPT, RETURNED), help="measure this one only, in this process")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.side:
        sys.stdout.write(json.dumps(measure(options.rows, kept=options.side == KEPT)) + "\n")
        return
    given = ["--rows", str(options.rows), "--threads", str(options.threads)]
    command = [sys.executable, "-m", "tests.benchmarks.heap", *given, "--side"]
    for side in (RETURNED, KEPT):
        run = subprocess.run([*command, side], check=True, capture_output=True, text=True)
        sys.stdout.write(f"{side}: {run.stdout}")


@torch.inference_mode()
def measure(rows: int, *, kept: bool) -> dict[str, float]:
    """Of one forward: seconds in the program and in the kernel, and page faults."""
    if kept:
        keep_freed_memory()
    base = load_base(BASE)
    latents, times = torch.randn(rows, base.codec.frames_for(SECONDS), base.codec.latent_channels), torch.ones(rows)
    conditions = base.conditions
    tokens = conditions(torch.randn(rows, *conditions.prompt_shape), torch.randn(rows, conditions.style_size))
    context = nothing_given(conditions, latents)

    def forwards() -> None:
        for _ in range(FORWARDS):
            base.transformer(latents, times, times, tokens, context, return_dict=False)

    forwards()
    before = resource.getrusage(resource.RUSAGE_SELF)
    forwards()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "user_s": round((after.ru_utime - before.ru_utime) / FORWARDS, 3),
        "kernel_s": round((after.ru_stime - before.ru_stime) / FORWARDS, 3),
        "faults": (after.ru_minflt - before.ru_minflt) // FORWARDS,
    }


if __name__ == "__main__":
    main()
