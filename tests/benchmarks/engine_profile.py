"""Where the time of a step goes, by kind of operation: what adapters add to it and what a batch saves.

    python -m tests.benchmarks.engine_profile [--seconds 10] [--threads N]

Milliseconds a row from torch's profiler, which itself adds to many short operations: shares are to be read, not totals.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from tests.benchmarks.peers import RANK, Bare, Injected, PeftMixed, PeftSet, Stacked, Way, random_rows
from tests.benchmarks.timing import settle

BASE = Path(__file__).parents[2] / "serving/base"
STEPS, LISTENERS = 5, 16
PRODUCTS = {"aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::baddbmm_"}
# A product with such a side is one of low rank: up to three targets share one.
LOW = {RANK, 2 * RANK, 3 * RANK}
BASE_PRODUCTS, LOW_PRODUCTS, ATTENTION, GATHERING = (
    "the base's products",
    "adapters' products",
    "attention",
    "gathering",
)
KINDS = {
    "aten::_scaled_dot_product_flash_attention_for_cpu": ATTENTION,
    "aten::index": GATHERING,
    "aten::index_put_": GATHERING,
    "aten::_index_put_impl_": GATHERING,
    "aten::cat": GATHERING,
}
REST = "everything else"
ORDER = (BASE_PRODUCTS, LOW_PRODUCTS, ATTENTION, GATHERING, REST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = load_base(BASE)
    injected, bare, ours = Injected(base, LISTENERS), Bare(base), Stacked(base, LISTENERS)
    cases: dict[str, tuple[Way, int]] = {
        "bare, 1 row": (bare, 1),
        "bare, 2 rows": (bare, 2),
        "bare, 8 rows": (bare, 8),
        "bare, 16 rows": (bare, 16),
        "ours, 8 rows": (ours, 8),
        "peft `adapter_names`, 8 rows": (PeftMixed(injected), 8),
        "peft `set_adapter`, 2 rows": (PeftSet(injected), 2),
    }
    sys.stdout.write(f"| ms a row | {' | '.join(ORDER)} | all |\n|---|{'---|' * (len(ORDER) + 1)}\n")
    for name, (way, rows) in cases.items():
        kinds = _by_kind(base, way, rows, options.seconds)
        values = [*(kinds.get(kind, 0.0) for kind in ORDER), sum(kinds.values())]
        sys.stdout.write(f"| {name} | {' | '.join(f'{value / rows:.2f}' for value in values)} |\n")


def _by_kind(base: Base, way: Way, count: int, seconds: float) -> Mapping[str, float]:
    """Milliseconds a step of each kind of operation; the choice of adapters is counted with its step."""
    rows = random_rows(base, count, base.codec.frames_for(seconds))

    def step() -> None:
        way.choose(list(range(count)))
        way.forward(rows)
        settle()

    step()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, acc_events=True) as seen:
        for _ in range(STEPS):
            step()
    kinds: Counter[str] = Counter()
    for event in seen.key_averages(group_by_input_shape=True):
        kinds[_kind(event.key, event.input_shapes)] += event.self_cpu_time_total / 1000 / STEPS
    return kinds


def _kind(name: str, shapes: list[list[int]]) -> str:
    if name not in PRODUCTS:
        return KINDS.get(name, REST)
    # Adapters have no bias, so `addmm` is the base's, even where it has as many rows as a rank.
    low = name != "aten::addmm" and any(LOW & set(shape[-2:]) for shape in shapes if len(shape) > 1)
    return LOW_PRODUCTS if low else BASE_PRODUCTS


if __name__ == "__main__":
    main()
