"""How long an adapter takes from being asked for to being ready for the next step, by where it is found.

    python -m tests.benchmarks.adapter_tiers [--base serving/base] [--adapters 200] [--rank 8]

One engine with the given base on this machine's CPU; every adapter is another file. `store` reads from an fsspec store
in memory, so it is the engine's own part of a cold load without the network; `disk` reads the local copies that those
loads left, verified; `memory` finds what is resident. Copies have just been written, so the disk's own latency is not
in it. Prints milliseconds of the clock, and of this process's CPU time: what the clock would show on an idle machine.
"""

import argparse
import asyncio
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import torch

from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.cache import DiskCache
from serving.engine.adapters.files import dump
from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from serving.engine.engine import Engine
from serving.engine.params import Limits
from serving.registry import Lookup, Registry
from tests.serving.engine.parts import adapter

SLOTS = 33


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("serving/base"))
    parser.add_argument("--adapters", type=int, default=200)
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    if options.adapters < SLOTS:
        parser.error(f"--adapters: expected at least {SLOTS}, one more than the pool holds")
    torch.set_num_threads(1)
    base = load_base(options.base)
    blobs = Blobs("memory://adapters")
    refs = [_stored(blobs, base, number, options.rank) for number in range(options.adapters)]
    with tempfile.TemporaryDirectory() as folder:
        facts = asyncio.run(_measure(base, blobs, refs, options.rank, Path(folder)))
    size = len(blobs.read(refs[0].url, field="adapter"))
    sys.stdout.write(json.dumps({"adapters": len(refs), "bytes_each": size, "torch": torch.__version__} | facts) + "\n")


async def _measure(
    base: Base, blobs: Blobs, refs: Sequence[AdapterRef], rank: int, folder: Path
) -> dict[str, dict[str, float]]:
    """Three passes over all adapters; a small pool makes all but the last ones cold again."""
    found: list[Lookup] = []
    engine = Engine(base, Limits(rows=2, queue=1, slots=SLOTS, rank=rank))
    engine.start()
    registry = Registry(blobs, engine, ThreadPoolExecutor(1), DiskCache(folder, 2**40), found.append)
    times: dict[str, list[tuple[float, float]]] = {"store": [], "disk": [], "memory": []}
    for ref in (*refs, *refs, *[ref for ref in refs[1 - SLOTS :] for _ in range(8)]):
        clock, cpu = time.perf_counter(), time.process_time()
        await registry.ensure(ref)
        times[found[-1].tier].append((time.perf_counter() - clock, time.process_time() - cpu))
    engine.stop(drain_s=0)
    return {tier: _quantiles(of_tier) for tier, of_tier in times.items()}


def _quantiles(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    clock, cpu = (statistics.quantiles(seconds, n=100) for seconds in zip(*times, strict=True))
    return {
        "p50_ms": round(1000 * clock[49], 3),
        "p95_ms": round(1000 * clock[94], 3),
        "cpu_p50_ms": round(1000 * cpu[49], 3),
        "cpu_p95_ms": round(1000 * cpu[94], 3),
        "loads": len(times),
    }


def _stored(blobs: Blobs, base: Base, number: int, rank: int) -> AdapterRef:
    base_hash = base.manifest.base_hash
    data = dump(adapter(base, number, rank), base_hash=base_hash, snapshot_sha256="0" * 64, steps=1)
    url = blobs.url(f"{number}.safetensors")
    blobs.write(url, data)
    digest = hashlib.sha256(data).hexdigest()
    return AdapterRef(listener_id=uuid4(), version=1, url=url, sha256=digest, base_hash=base_hash)


if __name__ == "__main__":
    main()
