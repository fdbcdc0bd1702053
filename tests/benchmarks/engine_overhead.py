"""What adapters cost: a batch of eight rows with eight adapters, over the same batch of the bare base."""

import random
from collections.abc import Callable

import torch

from serving.engine.bases.base import Base
from tests.benchmarks.peers import (
    Bare,
    DiffusersSet,
    Injected,
    PeftMixed,
    PeftSet,
    Rows,
    Stacked,
    Way,
    check_equal,
    fits,
    random_rows,
)
from tests.benchmarks.report import Goal, Line, line, ratios
from tests.benchmarks.timing import interleaved

ROWS, SECONDS, ROUNDS = 8, 10.0, 9
RESIDENT = (8, 256, 4096)
# One adapter more makes every switch of PEFT's slower and takes a second to add, so theirs end here.
PEERS_RESIDENT = (8, 64)
# Rows change whenever a track begins or ends; between, what was gathered of the pool is used again.
SAME = "ours, the same rows as the step before"
GOAL = Goal(1.05, most=True)


def measure(base: Base, _cap: int) -> list[Line]:
    """Lines of every pool size and peer, as ratios to the bare batch."""
    rows = random_rows(base, ROWS, base.codec.frames_for(SECONDS))
    ours = [resident for resident in RESIDENT if fits(base, resident)]
    ways: dict[tuple[str, int], Way] = {("ours", resident): Stacked(base, resident) for resident in ours}
    ways[SAME, ROWS] = Stacked(base, ROWS)
    for resident in PEERS_RESIDENT:
        injected = Injected(base, resident)
        ways |= {(way.side, resident): way(injected) for way in (DiffusersSet, PeftSet, PeftMixed)}
    _check(ways, rows)
    calls = {f"{side}/{resident}": _call(side, resident, way, rows) for (side, resident), way in ways.items()}
    taken = interleaved({"bare": _call("bare", ROWS, Bare(base), rows)} | calls, ROUNDS)
    lines = [line(_figure("the bare batch"), "bare", [1000 * one for one in taken["bare"]], "ms")]
    for side, resident in ways:
        over = ratios(taken[f"{side}/{resident}"], taken["bare"])
        goal = GOAL if side == "ours" else None
        lines.append(line(_figure(f"over the bare batch, {resident:,} resident"), side, over, "x", goal))
    return sorted(lines, key=lambda one: one.figure != _figure("the bare batch"))


def _figure(what: str) -> str:
    return f"{ROWS} rows of {SECONDS:.0f} s with {ROWS} adapters: {what}"


def _call(side: str, resident: int, way: Way, rows: Rows) -> Callable[[], object]:
    """One step of all rows, of other listeners than in the step before unless the side says so."""
    drawn, fixed = random.Random(0), list(range(ROWS))

    def call() -> object:
        return _step(side, way, rows, fixed if side == SAME else drawn.sample(range(resident), ROWS))

    return call


def _step(side: str, way: Way, rows: Rows, listeners: list[int]) -> torch.Tensor:
    if "one by one" not in side:
        way.choose(listeners)
        return way.forward(rows)
    velocities = []
    for row, listener in enumerate(listeners):
        way.choose([listener])
        velocities.append(way.forward(rows.one(row)))
    return torch.cat(velocities)


def _check(ways: dict[tuple[str, int], Way], rows: Rows) -> None:
    listeners = list(range(ROWS))
    check_equal([(f"{side}/{resident}", _step(side, way, rows, listeners)) for (side, resident), way in ways.items()])
