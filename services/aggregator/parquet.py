"""Raw events as Parquet files: the home of pyarrow, which no process that runs all day loads."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.aggregator.reading import as_text

Row = Mapping[str, Any]
"""A row of `feedback.events`."""


def written(rows: Sequence[Row]) -> bytes:
    """A file with these rows in their order. Ids are texts and `data` is JSON, for readers of other kinds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    moment = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            pa.field("source", pa.string(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("type", pa.string(), nullable=False),
            pa.field("listener_id", pa.string(), nullable=False),
            pa.field("time", moment, nullable=False),
            pa.field("data", pa.string(), nullable=False),
            pa.field("topic", pa.string(), nullable=False),
            pa.field("partition", pa.int32(), nullable=False),
            pa.field("offset", pa.int64(), nullable=False),
            pa.field("folded_at", moment, nullable=False),
            pa.field("received_at", moment, nullable=False),
            pa.field("sha256", pa.binary()),
        ]
    )
    columns = {name: [row[name] for row in rows] for name in schema.names}
    for name in ("id", "listener_id"):
        columns[name] = [str(value) for value in columns[name]]
    columns["data"] = [as_text(value) for value in columns["data"]]
    table = pa.table(columns, schema=schema)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def rows_of(data: bytes) -> Iterator[Row]:
    """The rows of a file that `written` made.

    Raises:
        ValueError: it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batches = pq.ParquetFile(io.BytesIO(data)).iter_batches()
        for batch in batches:
            for row in batch.to_pylist():
                ids = {name: UUID(row[name]) for name in ("id", "listener_id")}
                yield {**row, **ids, "data": from_json(row["data"])}
    except (pa.ArrowException, KeyError) as error:
        raise ValueError(f"no file of events: {error}") from error
