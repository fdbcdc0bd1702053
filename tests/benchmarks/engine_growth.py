"""What a row and a track cost as listeners grow: the engine's memory and processor time should not."""

import random
import time
from collections.abc import Callable
from concurrent.futures import wait
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from serving.engine.bases.base import Base
from tests.benchmarks.peers import Stacked, fits, random_rows
from tests.benchmarks.report import Goal, Line, line, ratios
from tests.benchmarks.servers import Ours, request
from tests.benchmarks.timing import settle

LISTENERS = (1, 10, 100, 1000)
# Tracks at once: as many as keep the batch full until most of them are made, and at least so many.
LEAST_TRACKS, SECONDS, ROUNDS = 8, 5.0, 5
FEW, MANY = 1, 9
# Flat: the largest number of listeners costs at most this much more than one.
FLAT = 1.1
MIB = 2**20


def measure(base: Base, cap: int) -> list[Line]:
    """Lines of memory a row and audio a core-second for each number of listeners, and how flat they are."""
    counts = [count for count in LISTENERS if fits(base, 2 * count)]
    return [*_memory_lines(base, counts), *_work_lines(base, counts, cap)]


def _memory_lines(base: Base, counts: list[int]) -> list[Line]:
    figure = f"extra memory of a row of {SECONDS:.0f} s"
    extra = {count: _bytes_a_row(base, count) for count in counts}
    lines = [Line(figure, f"{count:,} listeners", value / MIB, "MiB") for count, value in extra.items()]
    growth = extra[counts[-1]] / extra[counts[0]]
    return [*lines, Line(f"{figure}: growth", _grown(counts), growth, "x", goal=Goal(FLAT, most=True))]


def _work_lines(base: Base, counts: list[int], cap: int) -> list[Line]:
    tracks = max(LEAST_TRACKS, cap)
    figure = f"audio a core-second, {tracks} tracks of {SECONDS:.0f} s at once"
    engines = {count: Ours(base, count, cap) for count in counts}
    calls = {count: partial(_make, base, engine, count, tracks) for count, engine in engines.items()}
    work: dict[int, list[float]] = {count: [] for count in counts}
    walls: list[float] = []
    for number in range(ROUNDS + 1):
        for count, call in calls.items():
            cores, wall = _spent(call)
            if number:
                work[count].append(tracks * SECONDS / cores)
                walls.append(tracks * SECONDS / wall)
    for engine in engines.values():
        engine.close()
    lines = [line(figure, f"{count:,} listeners", rounds, "s") for count, rounds in work.items()]
    loss = ratios(work[counts[0]], work[counts[-1]])
    flat = line(f"{figure}: loss", _grown(counts), loss, "x", Goal(FLAT, most=True))
    goal = Goal(2000, most=False) if torch.cuda.is_available() else None
    return [*lines, flat, line("aggregate real-time factor, same tracks, latents only", "ours", walls, "x", goal)]


def _grown(counts: list[int]) -> str:
    return f"{counts[0]:,} to {counts[-1]:,} listeners"


def _make(base: Base, engine: Ours, listeners: int, tracks: int) -> None:
    """Tracks of listeners drawn from all of them."""
    drawn = random.Random(0)
    requests = [request(base, drawn.randrange(listeners), seed, SECONDS) for seed in range(tracks)]
    done, _ = wait([engine.submit(one) for one in requests])
    for future in done:
        future.result()


def _spent(call: Callable[[], None]) -> tuple[float, float]:
    """Seconds of processor and of wall time; on a GPU the first is the host's share only."""
    processor, wall = time.process_time(), time.perf_counter()
    call()
    settle()
    return time.process_time() - processor, time.perf_counter() - wall


def _bytes_a_row(base: Base, listeners: int) -> float:
    """Growth of a step's peak memory with each row, its gathered factors included."""
    way, drawn = Stacked(base, listeners), random.Random(0)
    peaks = []
    for count in (FEW, MANY):
        rows = random_rows(base, count, base.codec.frames_for(SECONDS))
        chosen = [drawn.randrange(listeners) for _ in range(count)]
        # Gives back the factors that the forward before has gathered; this one gathers its own.
        way.choose(chosen)
        peaks.append(_peak(partial(way.forward, rows)))
    return (peaks[1] - peaks[0]) / (MANY - FEW)


def _peak(call: Callable[[], object]) -> int:
    """Bytes above what was held before, at the moment when it was most."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        call()
    assert seen.profiler is not None
    results = seen.profiler.kineto_results
    assert results is not None
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    now = most = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        now += change
        most = max(most, now)
    return most
