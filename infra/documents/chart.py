"""helm/encore/README.md: a fixed text and every value with the comment above it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.documents.table import table

MARK = "# -- "


@dataclass(frozen=True)
class Value:
    path: str
    default: Any
    meaning: str


def values(root: Path) -> list[Value]:
    """Every value that has a `# --` comment, in order.

    Raises:
        ValueError: a leaf has no comment of its own or above it.
    """
    text = (root / "helm/encore/values.yaml").read_text(encoding="utf-8")
    meanings = dict(_comments(text))
    found = list(_leaves(yaml.safe_load(text), "", meanings))
    bare = [value.path for value in found if not value.meaning]
    if bare:
        raise ValueError(f"values without a `{MARK}` comment: {', '.join(bare)}")
    return found


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """(path, comment) for each key under a comment; nesting is read from the indentation of two spaces."""
    path: list[str] = []
    comment = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith(MARK):
            comment = stripped.removeprefix(MARK)
        elif stripped and not stripped.startswith("#"):
            depth = (len(line) - len(line.lstrip())) // 2
            path = [*path[:depth], stripped.split(":")[0]]
            if comment:
                yield ".".join(path), comment
            comment = ""


def _leaves(node: dict[str, Any], above: str, meanings: dict[str, str]) -> Iterator[Value]:
    for key, value in node.items():
        path = f"{above}{key}"
        if path in meanings or not isinstance(value, dict):
            yield Value(path, value, meanings.get(path, ""))
        else:
            yield from _leaves(value, f"{path}.", meanings)


def page(root: Path) -> str:
    """The text of `README.head.md` and the table of values."""
    head = (root / "helm/encore/README.head.md").read_text(encoding="utf-8")
    rows = [(f"`{value.path}`", f"`{json.dumps(value.default)}`", value.meaning) for value in values(root)]
    return f"{head}\n{table(('value', 'default', 'meaning'), rows)}"
