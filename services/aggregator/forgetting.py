"""Writes the files of archived months anew without whoever was erased, and confirms it: a part of `./encore archive`,
since no process that runs all day reads such files.

A month goes in one transaction, which holds off every other command that writes such files: the rows name the new
files. In another each file goes that no row names. Killed anywhere, the next call comes to the same end.
"""

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from schemas.blobs import Store as Blobs
from services.aggregator.archive_files import FOLDER, Part, opened, stored
from services.postgres import Pool, load_queries, transaction

QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))


def forget(pool: Pool, blobs: Blobs) -> int:
    """Erases everybody who is due from the files; answers how many.

    Raises:
        BackendAway: the database cannot be reached; the rest is due again, as it is for the other two.
        OSError: the blob store is away, or has lost a file.
        ValueError: a file is not what was stored.
    """
    with transaction(pool) as connection:
        due = connection.execute(QUERIES["due"]).fetchall()
        months = [row["month"] for row in connection.execute(QUERIES["months"]).fetchall()] if due else []
    gone = frozenset(row["listener"] for row in due)
    for month in months:
        with transaction(pool) as connection:
            connection.execute(QUERIES["alone"])
            _write_anew(connection, blobs, month, gone)
        with transaction(pool) as connection:
            connection.execute(QUERIES["alone"])
            _remove_unnamed(connection, blobs, month)
    for row in due:
        with transaction(pool) as connection:
            connection.execute(QUERIES["confirm"], row)
    return len(due)


def _write_anew(connection: Connection[DictRow], blobs: Blobs, month: date, gone: Collection[UUID]) -> None:
    for row in connection.execute(QUERIES["parts"], {"month": month}).fetchall():
        rows = list(opened(blobs, Part(**row)))
        kept = [each for each in rows if each["listener_id"] not in gone]
        if len(kept) < len(rows):
            connection.execute(QUERIES["rename"], stored(blobs, month, row["part"], kept)._asdict())


def _remove_unnamed(connection: Connection[DictRow], blobs: Blobs, month: date) -> None:
    folder = f"{FOLDER}/{month:%Y-%m}"
    named = {row["url"] for row in connection.execute(QUERIES["parts"], {"month": month}).fetchall()}
    for name in blobs.names(folder):
        if blobs.url(f"{folder}/{name}") not in named:
            blobs.remove(f"{folder}/{name}")
