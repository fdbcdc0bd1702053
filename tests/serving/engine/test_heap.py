"""Keeping freed memory: forwards after the first ask the kernel for next to nothing."""

import subprocess
import sys

PROGRAM = """
import resource, sys, torch
from serving.engine.heap import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    return [torch.ones(12_000_000) for _ in range(3)]
for _ in range(12):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> int:
    """Pages that the last of some equal pieces of work asked for."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True)
    return int(run.stdout)


def test_work_of_the_same_size_finds_its_memory_again() -> None:
    assert faults("kept") * 3 < faults("returned")
