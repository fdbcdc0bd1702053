"""Processor time of a replica's start by part, in a process of its own, from nothing to the first style.

    python -m tests.benchmarks.start [--base FOLDER] [--rounds 3]

Without Ray's own part of it (its imports, the proxy and the controller), which no code of ours changes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.engine import BASE

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import json, sys, time
from pathlib import Path
taken, before = {}, 0.0
def took(part):
    global before
    now = time.process_time()
    taken[part], before = now - before, now
folder = Path(sys.argv[1])
import torch
took("torch")
from serving.engine.lean import load_libraries
load_libraries(folder)
took("diffusers and the parts of a base")
from serving.engine.bases.load import load_base
from serving.engine.engine import Engine
from serving.engine.params import Limits
import serving.metrics, serving.studio, serving.tracks
took("what serves")
base = load_base(folder)
took("the base")
engine = Engine(base, Limits(8, 48, 4096, 8))
engine.start()
took("pool and step loop")
base.text.encode(["music"])
base.style.embed(torch.zeros(1, base.codec.sample_rate), base.codec.sample_rate)
took("frozen encoders")
print(json.dumps(taken))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=str(BASE))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = [start(Path(options.base)) for _ in range(options.rounds)]
    parts = {part: round(statistics.median(one[part] for one in rounds), 2) for part in rounds[0]}
    told = {"load": round(os.getloadavg()[0], 1), "parts_cpu_s": parts, "cpu_s": round(sum(parts.values()), 2)}
    told["torch_share"] = round(parts["torch"] / sum(parts.values()), 2)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def start(base: Path) -> dict[str, float]:
    """Processor seconds of each part of one start."""
    command = [sys.executable, "-c", CHILD, str(base.absolute())]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
