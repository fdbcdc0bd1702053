"""An answer as a table for people."""

from typing import Any, Final

from schemas.analysis import ComparedCells
from services.gateway.analyst.formats import rows

_SHOWN: Final = ("listeners", "estimate", "low", "high", "p_bh", "shrunken", "mde")


def table(answer: ComparedCells) -> str:
    """For a terminal, rounded; under it, how far it may be believed."""
    head = [*answer.by, *([] if answer.per == "whole" else ["day"]), *_SHOWN]
    lines = [[_cell(row, name) for name in head] for row in rows(answer)]
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    text = [" ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)) for line in [head, *lines]]
    when = answer.as_of.isoformat(timespec="seconds") if answer.as_of else "never"
    where = f"release {answer.release_id} ({answer.status})" if answer.release_id else "outside any canary"
    title = f"{answer.arm} over {answer.baseline}, {answer.metric} ({answer.unit}), {where}"
    changed = "" if answer.complete else ", changed since"
    kind = f"{answer.level:.0%} intervals, {answer.interval}; p_bh corrected for {answer.family} cells"
    return "\n".join([title, *text, f"{kind}; {answer.hidden} hidden; as of {when}{changed}", ""])


def _cell(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if value is None:
        return "hidden" if row["hidden"] and name == "listeners" else "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
