"""Markdown tables."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `python -m infra.documents`; change the code, not this page. -->\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One table, with a line end after its last row."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |\n" for row in lines
    )
