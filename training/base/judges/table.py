"""Rows of measures and the table they are printed as. Not for computing any of them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

NAME_WIDTH, VALUE_WIDTH = 48, 16


@dataclass(frozen=True)
class Goal:
    """The measure in `column` shall be at least (or at most) `bound`."""

    column: str
    bound: float
    at_most: bool = False

    def met(self, values: Mapping[str, float]) -> bool:
        """False also where the measure or the bound is no number."""
        value = values[self.column]
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.bound:.3g}"


@dataclass(frozen=True)
class Row:
    """One measure of several sets, NaN where it has no meaning; `name` says its unit if it has one."""

    name: str
    values: Mapping[str, float]
    goal: Goal | None = None


@dataclass(frozen=True)
class Section:
    """Rows over the same sets."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        head = f"{self.title:{NAME_WIDTH}}" + "".join(f"{name:>{VALUE_WIDTH}}" for name in self.columns)
        lines = [head + "   goal", "-" * (len(head) + 20)]
        for row in self.rows:
            cells = "".join(f"{_cell(row.values.get(name, math.nan)):>{VALUE_WIDTH}}" for name in self.columns)
            lines.append(f"{row.name:{NAME_WIDTH}}{cells}   {_verdict(row)}".rstrip())
        return "\n".join(lines)


def as_json(sections: tuple[Section, ...]) -> list[dict[str, Any]]:
    """All rows, each with its section and whether its goal is met; what is no number is null."""
    return [
        {
            "section": section.title,
            "name": row.name,
            "values": {name: _finite(row.values.get(name, math.nan)) for name in section.columns},
            "goal": None if row.goal is None else asdict(row.goal) | {"bound": _finite(row.goal.bound)},
            "met": None if row.goal is None else row.goal.met(row.values),
        }
        for section in sections
        for row in section.rows
    ]


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    return f"{row.goal.column} {row.goal}: {'met' if row.goal.met(row.values) else 'short'}"


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _finite(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
