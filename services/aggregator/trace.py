"""`./encore trace LISTENER`: every table of PostgreSQL, every file of the blob store and whatever in MLflow names a
listener, or a song, track or pair that was theirs. The exit status is 1 where there is a trace, and 2
where one of these is away: what was found before is printed all the same.

Tables are found by the catalogue, files and runs by listing them, so that what nobody thought of is searched too. What
lies in Kafka and in the engine is not looked at: their steps of an erasure say so.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import httpx
from pydantic import SecretStr

from schemas.blobs import Store as Blobs
from services.aggregator.parquet import rows_of
from services.aggregator.trace_mlflow import in_mlflow
from services.aggregator.traces import Trace, says
from services.errors import BackendAway
from services.postgres import PATIENT, Pool, open_pool, transaction
from services.settings import Settings, read

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


class TraceSettings(Settings):
    """Where the files are, and who may read everything at MLflow."""

    store_url: str
    mlflow_url: str = "http://127.0.0.1:5000"
    mlflow_username: str = ""
    mlflow_password: SecretStr = SecretStr("")

    @property
    def mlflow(self) -> httpx.Client:
        login = (self.mlflow_username, self.mlflow_password.get_secret_value()) if self.mlflow_username else None
        return httpx.Client(base_url=self.mlflow_url, auth=login, timeout=60)


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
        counted = [Trace(name, sum(says(text, sought) for text in _texts(connection, name))) for name in names]
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
        if says(key, sought) or any(says(text, sought) for text in _content(blobs, str(path))):
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="./encore trace", description=__doc__.split("\n\n")[0])
    parser.add_argument("listener", type=UUID, metavar="LISTENER")
    parser.add_argument("others", type=UUID, nargs="*", metavar="ID", help="a song or track that was theirs")
    chosen = parser.parse_args(arguments)
    settings = read(TraceSettings)
    found = 0
    try:
        with open_pool(settings.postgres_dsn, limits=PATIENT) as pool, settings.mlflow as mlflow:
            ids = belongings(pool, chosen.listener) | set(chosen.others)
            for place, rows in _everywhere(pool, Blobs(settings.store_url), mlflow, ids):
                sys.stdout.write(f"{rows:8} {place}\n")
                found += 1
    except (BackendAway, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    sys.stdout.write(f"{found} traces of {len(ids)} ids in PostgreSQL, the blob store and MLflow.\n")
    raise SystemExit(1 if found else 0)


def _everywhere(pool: Pool, blobs: Blobs, mlflow: httpx.Client, ids: Iterable[UUID]) -> Iterator[Trace]:
    """One place after the other, so that what one holds is known also where the next is away."""
    yield from in_tables(pool, ids)
    yield from in_files(blobs, ids)
    yield from in_mlflow(mlflow, ids)


if __name__ == "__main__":
    main()
