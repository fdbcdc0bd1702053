"""Brings a database to the schema of this code: `python -m services.migrate`.

Files `schemas/migrations/NNNN_(pre|post)_name.sql` are applied in order of name, each in one transaction together with
its row in `public.schema_migrations`; `pre` may run while the old code still runs, `post` only after it is gone. An
applied file is history and may not change. Names in the table without a file belong to newer code and are left alone.
`schemas/walls.sql` (what a request can reach) and `services/grants.py` (what each process may write) are applied after
them, each time.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import schemas
from services import grants
from services.errors import BackendAway
from services.postgres import connect, reaching
from services.settings import Settings, read
from services.telemetry import configure_logging

MIGRATIONS: Final = Path(schemas.__file__).parent / "migrations"
WALLS: Final = "walls.sql"
"""Beside the folder of migrations."""

_NAME: Final = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql")
_LOCK: Final = 0x656E636F7265  # "encore": one migration at a time per database
_TABLE: Final = """
create table if not exists public.schema_migrations (
    name       text primary key,
    sha256     text        not null,
    applied_at timestamptz not null default now()
)"""


class Migration(NamedTuple):
    name: str
    sql: str
    sha256: str


class ChangedMigration(Exception):
    """An applied migration's file is no longer what was applied."""


def load(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        ValueError: a file is not named `NNNN_pre_name.sql` or `NNNN_post_name.sql`, or two share a number.
    """
    paths = sorted(folder.glob("*.sql"))
    for path in paths:
        if not _NAME.fullmatch(path.name):
            raise ValueError(f"{path.name} is not named NNNN_pre_name.sql or NNNN_post_name.sql")
    if len({path.name[:4] for path in paths}) != len(paths):
        raise ValueError(f"two migrations in {folder.name} share a number")
    return [Migration(path.name, path.read_text("utf-8"), _sha256(path)) for path in paths]


def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is not applied yet; answers the names. A second run does nothing; two at once wait for one another.

    Raises:
        BackendAway: the database cannot be reached, or went away.
        ChangedMigration: an applied file has changed; nothing is applied.
    """
    migrations = load(folder)
    with reaching(), connect(dsn) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))  # freed with the connection
        connection.execute(_TABLE)
        rows = connection.execute("select name, sha256 from public.schema_migrations").fetchall()
        applied = {row["name"]: row["sha256"] for row in rows}
        for migration in migrations:
            if applied.get(migration.name, migration.sha256) != migration.sha256:
                raise ChangedMigration(f"{migration.name} was changed after it was applied; add a new file instead")
        pending = [migration for migration in migrations if migration.name not in applied]
        for migration in pending:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "insert into public.schema_migrations (name, sha256) values (%s, %s)",
                    (migration.name, migration.sha256),
                )
        _raise_walls(connection, folder.parent / WALLS)
    return [migration.name for migration in pending]


def _raise_walls(connection: Any, file: Path) -> None:
    if file.exists():
        with connection.transaction():
            connection.execute(file.read_text("utf-8").encode())
            grants.apply(connection)


def main() -> None:
    settings = read(Settings)
    configure_logging("migrate", settings.log_level)
    try:
        applied = migrate(settings.postgres_dsn)
    except (BackendAway, ChangedMigration) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    for name in applied:
        sys.stdout.write(f"applied {name}\n")
    if not applied:
        sys.stdout.write("nothing to apply\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
