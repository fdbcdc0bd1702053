"""A denoiser whose forward is compiled, where that was measured to pay (see `hardware`).

Compiling takes as long as hundreds of forwards and would stall everybody's tracks, so all of it happens before the
first request. A batch that fits nothing of what was compiled then runs as it is written.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# A name that torch knows, or what makes a graph runnable.
Backend = str | Callable[..., Any]
# Batches of these sizes are compiled for: one row is a case of its own, two stand for all others. Each is run twice, as
# adapters that are new to a batch are gathered first.
ROWS = (2, 1)


def compile_forward(
    transformer: nn.Module, step: Callable[[int], object], backend: Backend = "inductor"
) -> float | None:
    """Compiles a transformer in place, for this process's whole life.

    Args:
        transformer: what `step` runs.
        step: one forward of so many rows, in inference mode.
        backend: of `torch.compile`.

    Returns:
        Seconds it took; None where this machine cannot compile it, as without a compiler for C++. It then runs as
        written.
    """
    began = time.perf_counter()
    transformer.compile(dynamic=True, backend=backend)
    try:
        for rows in ROWS:
            step(rows)
            step(rows)
    except Exception:  # noqa: BLE001 - whatever a compiler that is absent or broken raises
        torch.compiler.set_stance("force_eager")
        return None
    torch.compiler.set_stance("eager_on_recompile")
    return time.perf_counter() - began
