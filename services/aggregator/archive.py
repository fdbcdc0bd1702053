"""`./encore archive`: takes months of raw events out of Postgres into Parquet files in the blob store.

A month goes in one transaction: its files are written, read back and compared, what its events fold to is kept in the
schema `archived`, and only then is its table dropped. Killed before the end, it leaves the month as it was.

Then files go whose own term is over: first their rows say so, then each file goes, then its row says that it is gone.
At last the files are written anew without whoever was erased (`forgetting`).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from pydantic import Field

from schemas.blobs import Store as Blobs
from services.aggregator.archive_files import Part, stored
from services.aggregator.copies import stored_event
from services.aggregator.fold import fold
from services.aggregator.forgetting import forget
from services.aggregator.parquet import Row
from services.aggregator.tables import Tables
from services.errors import BackendAway
from services.postgres import Limits, Pool, load_queries, open_pool, transaction
from services.settings import Settings, read

KEPT_MONTHS: Final = 14
"""Longer than a gateway takes events back (`ENCORE_EVENT_MAX_AGE_S`), so that none comes for a month that is gone."""
PART: Final = 100_000
LIMITS: Final = Limits(statement_s=600.0, idle_s=600.0)
"""A part is encoded and stored between two statements."""
QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))


class ArchiveSettings(Settings):
    """Where the files go, and how long events stay; read by each of the commands."""

    store_url: str
    events_kept_months: Annotated[int, Field(ge=1)] = KEPT_MONTHS
    """Months that raw events stay in Postgres after their own; then they are files."""
    archive_kept_months: Annotated[int, Field(ge=0)] = 0
    """Months that those files stay after the events' own; 0: for ever."""


def months(pool: Pool, before: date) -> list[date]:
    """Those that could be taken out, the oldest first.

    Raises:
        BackendAway: the database cannot be reached.
    """
    with transaction(pool) as connection:
        return [row["month"] for row in connection.execute(QUERIES["months"], {"before": before}).fetchall()]


def archive(pool: Pool, blobs: Blobs, month: date, size: int = PART) -> list[Part]:
    """Take a month out.

    Args:
        size: most events in a file.

    Raises:
        BackendAway: the database cannot be reached; the month is as it was, or is gone as a whole.
        OSError: the blob store is away; the month is as it was.
        ValueError: a file does not hold what was written; the month is as it was.
    """
    with transaction(pool) as connection:
        connection.execute(QUERIES["alone"])
        connection.execute(QUERIES["share"])
        connection.execute(QUERIES["hold"], {"month": month})
        parts, tables = [], Tables("archived")
        for number, rows in enumerate(_portions(connection, month, size)):
            part = stored(blobs, month, number, rows)
            tables.merge(connection, fold(map(stored_event, map(dict, rows))))
            connection.execute(QUERIES["add_part"], part._asdict())
            parts.append(part)
        connection.execute(QUERIES["take_out"], {"month": month})
    return parts


def expire(pool: Pool, blobs: Blobs, before: date) -> list[str]:
    """Remove the files of the months before this one; returns the addresses that the store confirmed gone.

    Raises:
        BackendAway: the database cannot be reached. What is not noted is removed again by the next call.
        OSError: the blob store is away.
    """
    with transaction(pool) as connection:
        connection.execute(QUERIES["expire"], {"before": before})
        due = connection.execute(QUERIES["unerased"]).fetchall()
    for part in due:
        blobs.drop(part["url"])
        with transaction(pool) as connection:
            connection.execute(QUERIES["erased"], part)
    return [part["url"] for part in due]


def expired(connection: Connection[DictRow]) -> list[date]:
    """Months of which there are no files any more."""
    return [row["month"] for row in connection.execute(QUERIES["expired"]).fetchall()]


def parts(connection: Connection[DictRow]) -> list[Part]:
    """Every file, in the order in which they are read."""
    return [Part(**row) for row in connection.execute(QUERIES["parts"]).fetchall()]


def _portions(connection: Connection[DictRow], month: date, size: int) -> Iterator[list[Row]]:
    with connection.cursor("month", row_factory=dict_row) as cursor:
        cursor.execute(QUERIES["rows"], {"month": month})
        while rows := cursor.fetchmany(size):
            yield list(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    settings, today = read(ArchiveSettings), datetime.now(UTC).date()
    before = chosen.before or _ago(today, settings.events_kept_months)
    try:
        with open_pool(settings.postgres_dsn, limits=LIMITS) as pool:
            blobs, due = Blobs(settings.store_url), months(pool, before)
            for month in due:
                made = archive(pool, blobs, month)
                events = sum(part.events for part in made)
                sys.stdout.write(f"{month:%Y-%m}: {events} events in {len(made)} files\n")
                sys.stdout.flush()
            kept = settings.archive_kept_months
            gone = expire(pool, blobs, _ago(today, kept)) if kept else []
            erased = forget(pool, blobs)
    except (BackendAway, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    if not due:
        sys.stdout.write(f"No month before {before:%Y-%m} is left to take out.\n")
    if gone:
        sys.stdout.write(f"{len(gone)} files are gone, since their term was over.\n")
    if erased:
        sys.stdout.write(f"{erased} erased listeners are in no file any more.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore archive", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--before", type=_month, metavar="MONTH",
        help="take out the months before this one, such as 2026-01; default: ENCORE_EVENTS_KEPT_MONTHS ago, which is "
        f"{KEPT_MONTHS} if unset",
    )  # fmt: skip
    return parser


def _ago(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


def _month(text: str) -> date:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no month such as 2026-01") from error
    if month > datetime.now(UTC).date():
        raise argparse.ArgumentTypeError(f"{text} is not over yet")
    return month


if __name__ == "__main__":
    main()
