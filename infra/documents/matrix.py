"""Who may do what: every route of the OpenAPI document against every kind of principal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.documents.api import document
from infra.documents.rights import rights_table
from infra.documents.table import MADE, table
from services.principals.principal import KINDS, SCOPES

METHODS: Final = ("get", "post", "put", "delete")
OF_LISTENERS: Final = ("listen", "erase")
_WITHIN_REACH: Final = {"service": "its listeners", "listener": "own"}


class Row(NamedTuple):
    """A route and the scope that it needs; None where no token is needed."""

    method: str
    path: str
    scope: str | None


def rows() -> list[Row]:
    """Every operation under /v1, in the document's order."""
    return [
        Row(method.upper(), path, _scope(operations[method]))
        for path, operations in document()["paths"].items()
        for method in METHODS
        if method in operations and path.startswith("/v1")
    ]


def _scope(operation: Mapping[str, Any]) -> str | None:
    needed = [scope for each in operation.get("security", ()) for scopes in each.values() for scope in scopes]
    return needed[0] if needed else None


def allowed(row: Row, kind: str) -> str:
    """What a kind of principal may do there, in words; empty: nothing (403)."""
    if row.scope is None:
        return "yes"
    if row.scope not in SCOPES[kind]:  # type: ignore[index]
        return ""
    reaches = row.scope in OF_LISTENERS or "{listener_id}" in row.path
    return _WITHIN_REACH.get(kind, "yes") if reaches else "yes"


def page(root: Path) -> str:
    """docs/security.md: a fixed text with two tables in it, of the gateway's routes and of Kafka."""
    head = (root / "infra/documents/security.head.md").read_text(encoding="utf-8")
    made = [(f"`{row.method} {row.path}`", f"`{row.scope}`" if row.scope else "none", *_cells(row)) for row in rows()]
    matrix = MADE + "\n\n" + table(("route", "scope", *KINDS), made).rstrip()
    return head.replace("{matrix}", matrix).replace("{rights}", rights_table())


def _cells(row: Row) -> list[str]:
    return [allowed(row, kind) for kind in KINDS]
