"""Rows of a product's file, JSON lines or Parquet, one after the other: a file may be larger than memory."""

import json
from collections.abc import Iterator
from pathlib import Path

_ROWS: int = 500


class UnreadableError(ValueError):
    """The file cannot be read as what its name says."""


def rows(file: Path) -> Iterator[tuple[int, object]]:
    """Each row with its line, from 1; None where a line is no JSON. Parquet by the suffix `.parquet`.

    Raises:
        OSError: there is no such file.
        UnreadableError: it is no Parquet, or no text.
    """
    yield from _parquet(file) if file.suffix == ".parquet" else _lines(file)


def _lines(file: Path) -> Iterator[tuple[int, object]]:
    with file.open(encoding="utf-8") as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _json(line)
        except UnicodeDecodeError as error:
            raise UnreadableError(f"{file.name} is no text in UTF-8: {error.reason}") from error


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _parquet(file: Path) -> Iterator[tuple[int, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        for batch in pq.ParquetFile(file).iter_batches(_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pa.ArrowException as error:
        raise UnreadableError(f"{file.name} is no Parquet: {error}") from error
