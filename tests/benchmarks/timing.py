"""How the benchmarks take time: every side once a round, in turns, so that what disturbs one disturbs all."""

import time
from collections.abc import Callable, Mapping

import torch


def seconds(call: Callable[[], object]) -> float:
    """Wall time of a call, its work on a GPU included."""
    settle()
    began = time.perf_counter()
    call()
    settle()
    return time.perf_counter() - began


def settle() -> None:
    """Waits for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, after one that does not count; the order turns from round to round."""
    for call in calls.values():
        call()
    names, taken = list(calls), {name: [0.0] * rounds for name in calls}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            taken[name][number] = seconds(calls[name])
    return taken
