"""What is remembered of erased listeners: nothing of theirs is written any more, however late it comes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.postgres import load_queries

QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))


def erased(connection: Any, listeners: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these listeners who were erased. Until the transaction ends nobody is removed: whoever is erased
    meanwhile is removed afterwards, with what it writes."""
    ids = list(set(listeners))
    if not ids:
        return frozenset()
    connection.execute(QUERIES["share"])
    rows = connection.execute(QUERIES["erased"], {"ids": ids}).fetchall()
    return frozenset(row["id"] for row in rows)


def named(key: bytes | None) -> UUID | None:
    """The listener whom a message's key names; None where it names nobody."""
    try:
        return UUID((key or b"").decode())
    except ValueError:
        return None
