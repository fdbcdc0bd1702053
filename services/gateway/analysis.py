"""Uplift by any crossing of dimensions: asks the view, and puts the statistics of `comparing` beside its sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.analysis import ComparedCell, ComparedCells, Dimension, Heterogeneity, IntervalKind, Metric, Per
from schemas.events import Arm
from services.gateway.analyst import question
from services.gateway.comparing import (
    ALPHA,
    Spread,
    Sums,
    benjamini_hochberg,
    holm,
    p_value,
    reach,
    shrunken,
    smallest_found,
    spread,
)
from services.gateway.executes import Row
from services.gateway.store import Store
from services.postgres import load_queries

_SUMS: Final = ("listeners", "observations", "d", "dd", "b", "bb", "db")


@dataclass(frozen=True, slots=True)
class Question:
    """`release_id` None is the time outside any canary; `until` the last day that counts, None being all."""

    by: tuple[Dimension, ...]
    metric: Metric
    arm: Arm
    baseline: Arm
    release_id: UUID | None
    per: Per = "whole"
    until: date | None = None


_QUESTION: Final = TypeAdapter(Question)


class Analysis:
    """Raises BackendAway while Postgres is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = load_queries(Path(__file__).with_name("analysis.sql"))

    async def baselines(self, arm: str) -> list[str]:
        """What an arm is compared with."""
        return [row["baseline"] for row in await self._rows("baselines", arm=arm)]

    async def ask(self, asked: Question) -> ComparedCells:
        """The cells of one question."""
        state = (await self._rows("state", release_id=asked.release_id, metric=asked.metric))[0]
        rows = await self._rows(
            "cells",
            by=list(asked.by),
            metric=asked.metric,
            arm=asked.arm,
            baseline=asked.baseline,
            release_id=asked.release_id,
            per=asked.per,
            until=asked.until,
        )
        return answer(asked, state, rows)

    async def answers(self, asked: Sequence[question.Question]) -> dict[question.Question, ComparedCells]:
        """To each question as a client would put it."""
        return {each: await self.ask(_typed(each)) for each in asked}

    async def _rows(self, name: str, **parameters: Any) -> list[Row]:
        return list(await self._store.rows(self._queries[name], parameters))


def _typed(asked: question.Question) -> Question:
    by = [dimension for dimension in asked.by.split(",") if dimension]
    return _QUESTION.validate_python({"release_id": None, **asked.parameters(), "by": by})


def answer(asked: Question, state: Mapping[str, Any], rows: Sequence[Row]) -> ComparedCells:
    """Pure: statistics of the rows of `analytics.uplift_by`. While its release runs, and outside any, feedback goes on
    being watched, and intervals are those that stand it."""
    kind: IntervalKind = "anytime" if state["status"] in (None, "canary") else "fixed"
    sums = [None if row["hidden"] else Sums(*(row[name] for name in _SUMS)) for row in rows]
    told = [index for index, each in enumerate(sums) if each is not None and each.error is not None]
    facts = {index: _compared(sums[index], kind, asked.metric, len(told)) for index in told}
    # Days of one cell are no cells of their own: they overlap, and say nothing of how cells differ.
    between = (
        spread([facts[i]["estimate"] for i in told], [facts[i]["error"] for i in told])
        if asked.by and asked.per == "whole"
        else None
    )
    family = [facts[index]["p"] for index in told]
    for index, by_holm, by_bh in zip(told, holm(family), benjamini_hochberg(family), strict=True):
        own = facts[index]
        own |= {"p_holm": by_holm, "p_bh": by_bh}
        if asked.per == "whole":
            own["shrunken"] = shrunken(own["estimate"], own["error"], asked.metric, between)
    cells = [
        ComparedCell(
            cell=dict(zip(asked.by, row["cell"], strict=True)),
            day=row["day"],
            hidden=row["hidden"],
            listeners=row["listeners"],
            observations=row["observations"],
            **facts.get(index, {}),
        )
        for index, row in enumerate(rows)
    ]
    return ComparedCells(
        release_id=asked.release_id,
        status=state["status"],
        metric=asked.metric,
        unit=state["unit"],
        arm=asked.arm,
        baseline=asked.baseline,
        by=asked.by,
        per=asked.per,
        interval=kind,
        level=1 - ALPHA,
        family=len(told),
        hidden=sum(cell.hidden for cell in cells),
        heterogeneity=_heterogeneity(between),
        as_of=state["as_of"],
        complete=state["complete"],
        cells=cells,
    )


def _compared(sums: Sums | None, kind: IntervalKind, metric: Metric, family: int) -> dict[str, Any]:
    assert sums is not None
    assert sums.error is not None
    error, listeners, estimate = sums.error, sums.listeners, sums.estimate
    half = reach(error, listeners, kind, metric)
    wide = reach(error, listeners, kind, metric, ALPHA / family)
    facts = {
        "arm_mean": sums.baseline + estimate,
        "baseline_mean": sums.baseline,
        "estimate": estimate,
        "error": error,
        "low": estimate - half,
        "high": estimate + half,
        "family_low": estimate - wide,
        "family_high": estimate + wide,
        "p": p_value(estimate, error, listeners, kind, metric),
        "mde": smallest_found(error, listeners),
    }
    if sums.relative is not None:
        ratio, spread_of_ratio = sums.relative
        about = half / error * spread_of_ratio
        facts |= {"relative": ratio, "relative_low": ratio - about, "relative_high": ratio + about}
    return facts


def _heterogeneity(between: Spread | None) -> Heterogeneity | None:
    if between is None:
        return None
    return Heterogeneity(tau=between.tau, i_squared=between.i_squared, q=between.q, freedom=between.freedom)
