"""`./encore trace LISTENER`: every table of PostgreSQL and every file of the blob store that names a listener, or a
song, track or pair that was theirs. The exit status is 1 where there is a trace.

Tables are found by the catalogue and files by listing the store, so that what nobody thought of is searched too. What
lies in Kafka, in MLflow and in the engine is not looked at: their steps of an erasure say so.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.blobs import Store as Blobs
from services.aggregator.parquet import rows_of
from services.errors import BackendAway
from services.postgres import PATIENT, Pool, open_pool, transaction
from services.settings import Settings, read

# With dashes or without, and both as the hexadecimal digits in which bytes are shown.
_DASHED: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID: Final = re.compile(f"{_DASHED}|[0-9a-f]{{32}}")
_BYTES: Final = re.compile(r"\\x((?:[0-9a-f]{2})+)")
_TABLES: Final = """
select c.oid::regclass::text as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' order by 1
"""
_OWNED: Final = """
select song_id as id from gateway.songs where listener_id = %(id)s
union select song_id from gateway.withdrawn_songs where listener_id = %(id)s
union select track_id from gateway.tracks where listener_id = %(id)s
union select track_id from feedback.tracks where listener_id = %(id)s
union select pair_id from gateway.pairs where listener_id = %(id)s
"""
_PORTION: Final = 2_000


class Trace(NamedTuple):
    """A table and how many of its rows, or a file, that names one of the ids."""

    place: str
    rows: int


class TraceSettings(Settings):
    """Where the files are."""

    store_url: str


def belongings(pool: Pool, listener_id: UUID) -> set[UUID]:
    """The listener, and what is known to be theirs.

    Raises:
        BackendAway: the database cannot be reached.
    """
    with transaction(pool) as connection:
        return {listener_id, *(row["id"] for row in connection.execute(_OWNED, {"id": listener_id}).fetchall())}


def in_tables(pool: Pool, ids: Iterable[UUID]) -> list[Trace]:
    """Every table that has one of these ids in any column of any row: as an id, in a text, in JSON, in bytes.

    Raises:
        BackendAway: the database cannot be reached.
    """
    sought = frozenset(ids)
    with transaction(pool) as connection:
        names = [row["name"] for row in connection.execute(_TABLES).fetchall()]
        counted = [Trace(name, sum(_names(text, sought) for text in _texts(connection, name))) for name in names]
    return [trace for trace in counted if trace.rows]


def in_files(blobs: Blobs, ids: Iterable[UUID]) -> list[Trace]:
    """Every file of the store whose key or content names one of these ids; archived events are unpacked first.

    Raises:
        OSError: the store is away.
    """
    sought = frozenset(ids)
    root = blobs.files._strip_protocol(blobs.address)  # noqa: SLF001 - fsspec's own way from URL to path
    found = []
    for path in blobs.files.find(root) if blobs.files.exists(root) else ():
        key = str(path).removeprefix(f"{root}/")
        if _names(key, sought) or any(_names(text, sought) for text in _content(blobs, str(path))):
            found.append(Trace(key, 1))
    return found


def _texts(connection: Any, name: str) -> Iterator[str]:
    with connection.cursor("traced") as cursor:
        cursor.execute(f"select t::text as row from {name} t")  # noqa: S608 - the catalogue's own, quoted names
        while rows := cursor.fetchmany(_PORTION):
            yield from (row["row"] for row in rows)


def _content(blobs: Blobs, path: str) -> Iterator[str]:
    data: bytes = blobs.files.cat_file(path)
    if path.endswith(".parquet"):
        yield from (str(row) for row in rows_of(data))
    else:
        yield data.decode("latin-1")


def _names(text: str, ids: AbstractSet[UUID]) -> bool:
    said = text.lower()
    inner = (bytes.fromhex(digits).decode("latin-1").lower() for digits in _BYTES.findall(said))
    return any(UUID(found) in ids for each in (said, *inner) for found in _ID.findall(each))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="./encore trace", description=__doc__.split("\n\n")[0])
    parser.add_argument("listener", type=UUID, metavar="LISTENER")
    parser.add_argument("others", type=UUID, nargs="*", metavar="ID", help="a song or track that was theirs")
    chosen = parser.parse_args(arguments)
    settings = read(TraceSettings)
    try:
        with open_pool(settings.postgres_dsn, limits=PATIENT) as pool:
            ids = belongings(pool, chosen.listener) | set(chosen.others)
            traces = [*in_tables(pool, ids), *in_files(Blobs(settings.store_url), ids)]
    except (BackendAway, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    for place, rows in traces:
        sys.stdout.write(f"{rows:8} {place}\n")
    sys.stdout.write(f"{len(traces)} traces of {len(ids)} ids in PostgreSQL and the blob store.\n")
    raise SystemExit(1 if traces else 0)


if __name__ == "__main__":
    main()
