"""Whatever table comes to hold something of a listener, its owner erases it: tables are found by the catalogue."""

import re
from pathlib import Path
from typing import Any, Final

import psycopg

from infra.local.home import PROJECT
from tests.benchmarks.erasure import measured
from tests.services.test_grants import MONTH, owner

__all__ = ["owner"]  # a fixture

ERASING: Final = {
    "gateway": "services/gateway/erasures.sql",
    "feedback": "services/aggregator/erased.sql",
    "archived": "services/aggregator/erased.sql",
    "rollout": "services/rollout/erasing.sql",
    "training": "training/erasing.sql",
}
JOB: Final = "gateway.erasures"
"""It keeps the id while a step is open: here nobody carries out those of the registry and the engine."""


def test_every_table_that_says_whose_a_row_is_is_erased_by_its_owner(owner: psycopg.Connection[Any]) -> None:
    tables = owner.execute(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attname = 'listener_id' and not a.attisdropped"
        " where c.relkind in ('r', 'p') and c.relname !~ %s",
        (MONTH,),
    ).fetchall()
    assert len(tables) > 20
    for table in tables:
        file = ERASING[table.split(".")[0]]
        text = (PROJECT / file).read_text("utf-8")
        removed = rf"delete from {table} where listener_id = "  # noqa: S608 - sought in a file, not sent
        assert re.search(removed, text), f"{table}: erase it in {file}"


def test_nothing_that_can_be_searched_names_them(postgres_dsn: str, tmp_path: Path) -> None:
    """Each process's own code, one after the other, on a listener who has something in every store."""
    _, before, after = measured(postgres_dsn, tmp_path, tracks=3)
    assert len({trace.place.split(".")[0] for trace in before} & set(ERASING)) >= 4
    assert len(before) > 30
    assert [(trace.place, trace.rows) for trace in after] == [(JOB, 1)]
