"""What a benchmark says: lines with their goals as a Markdown table, and the machine and versions behind them."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

PACKAGES = ("torch", "diffusers", "peft", "ray")


@dataclass(frozen=True)
class Goal:
    """A bound that a figure is held against; `most` says whether it is an upper one."""

    bound: float
    most: bool

    def met(self, value: float) -> bool:
        """Whether the figure is on the right side."""
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.bound:g}"


@dataclass(frozen=True)
class Line:
    """One figure of one side.

    Attributes:
        figure: what was measured.
        side: whose it is.
        value: median over the rounds, or the only one.
        unit: of the value.
        spread: lowest and highest round; None for a single measurement.
        goal: None where the figure is there to be compared.
    """

    figure: str
    side: str
    value: float
    unit: str = ""
    spread: tuple[float, float] | None = None
    goal: Goal | None = None


def line(figure: str, side: str, rounds: Sequence[float], unit: str = "", goal: Goal | None = None) -> Line:
    """A line from the figure of each round."""
    return Line(figure, side, statistics.median(rounds), unit, (min(rounds), max(rounds)), goal)


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round, so that what disturbs a round disturbs both of its sides."""
    return [one / other for one, other in zip(above, below, strict=True)]


def markdown(lines: Sequence[Line], facts: dict[str, object]) -> str:
    """The table and below it where and with what it was measured."""
    rows = ["| figure | side | measured | rounds | goal |", "|---|---|---|---|---|"]
    before = ""
    for one in lines:
        spread = "" if one.spread is None else f"{_number(one.spread[0])} to {_number(one.spread[1])}"
        goal = "" if one.goal is None else f"{one.goal}: {'met' if one.goal.met(one.value) else '**missed**'}"
        figure = "" if one.figure == before else one.figure
        rows.append(f"| {figure} | {one.side} | {_number(one.value)} {one.unit} | {spread} | {goal} |")
        before = one.figure
    return "\n".join([*rows, "", "; ".join(f"{name} {value}" for name, value in facts.items()) + "."])


def facts(device: str, dtype: torch.dtype, pool: torch.dtype) -> dict[str, object]:
    """Machine and versions; the load says whether anything else ran."""
    own: dict[str, object] = {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "dtype": _name(dtype),
        "our pool": _name(pool),
        "threads": torch.get_num_threads(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
    }
    return own | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    """The name that Linux gives, with its instruction set as torch sees it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return f"{names[0] if names else platform.processor()} ({torch.backends.cpu.get_cpu_capability()})"
