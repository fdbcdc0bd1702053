"""The files that months of raw events are taken out into, each named by its content."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from schemas.blobs import Store as Blobs
from services.aggregator.parquet import Row, rows_of, written

FOLDER: Final = "events"
"""With a folder for each month below it."""


class Part(NamedTuple):
    """A file of a month."""

    month: date
    part: int
    url: str
    sha256: str
    events: int


def opened(blobs: Blobs, part: Part) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        OSError: the blob store is away, or has lost it.
        ValueError: it is not what was stored.
    """
    data = blobs.read(part.url)
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise ValueError(f"{part.url} is not what was stored")
    return rows_of(data)


def stored(blobs: Blobs, month: date, number: int, rows: Sequence[Row]) -> Part:
    """Writes a file, named by its content, and reads it back.

    Args:
        number: of the file within its month.

    Raises:
        OSError: the blob store is away.
        ValueError: the file does not hold what was written.
    """
    data = written(rows)
    sha256 = hashlib.sha256(data).hexdigest()
    url = blobs.url(f"{FOLDER}/{month:%Y-%m}/{number:05d}-{sha256}.parquet")
    blobs.write_once(url, data)
    part = Part(month, number, url, sha256, len(rows))
    if list(opened(blobs, part)) != [dict(row) for row in rows]:
        raise ValueError(f"{url} does not hold what was written")
    return part
