"""Answers as CSV, Arrow, Parquet and JSON. Each has the same numbers to the last digit: floats are 64 bits wide in the
binary ones, and written as the shortest text that reads back as the same in the others."""

import csv
import io
from datetime import UTC
from typing import Any, Final

from schemas.analysis import ComparedCell, ComparedCells

BINARY: Final = ("parquet", "arrow")
_OF_QUESTION: Final = (
    "release_id", "status", "metric", "unit", "arm", "baseline", "per", "interval", "level", "family",
)  # fmt: skip
_NUMBERS: Final = tuple(name for name in ComparedCell.model_fields if name not in ("cell", "day", "hidden"))
_WHOLE: Final = ("listeners", "observations", "family")


def rows(answer: ComparedCells) -> list[dict[str, Any]]:
    """One flat row a cell: what was asked, the cell's values, its day, its numbers."""
    facts = {name: getattr(answer, name) for name in _OF_QUESTION}
    facts["release_id"] = str(answer.release_id) if answer.release_id else None
    end = {"as_of": answer.as_of and answer.as_of.astimezone(UTC), "complete": answer.complete}
    return [
        {
            **facts,
            **{name: cell.cell[name] for name in answer.by},
            **{name: getattr(cell, name) for name in ("day", "hidden", *_NUMBERS)},
            **end,
        }
        for cell in answer.cells
    ]


def encoded(answer: ComparedCells, form: str) -> bytes:
    """The answer in one of the forms.

    Raises:
        ValueError: there is no such form.
    """
    match form:
        case "csv":
            return _csv(answer).encode()
        case "json":
            return answer.model_dump_json(indent=1).encode() + b"\n"
        case "parquet" | "arrow":
            return _columns(answer, form)
        case _:
            raise ValueError(f"no such form: {form}")


def _csv(answer: ComparedCells) -> str:
    made = io.StringIO()
    writer = csv.DictWriter(made, _names(answer), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(answer))
    return made.getvalue()


def _columns(answer: ComparedCells, form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    kinds = {"day": pa.date32(), "hidden": pa.bool_(), "complete": pa.bool_(), "as_of": moment, "level": pa.float64()}
    kinds |= {name: pa.float64() for name in _NUMBERS} | {name: pa.int64() for name in _WHOLE}
    schema = pa.schema([(name, kinds.get(name, text)) for name in _names(answer)])
    table = pa.Table.from_pylist(rows(answer), schema)
    sink = pa.BufferOutputStream()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _names(answer: ComparedCells) -> list[str]:
    return [*_OF_QUESTION, *answer.by, "day", "hidden", *_NUMBERS, "as_of", "complete"]
