"""Which documents there are and where each one lives."""

from pathlib import Path

from infra.documents import api, arrows, chart, events, matrix, metrics, settings


def documents(root: Path) -> dict[str, str]:
    """Path from the root to what should be in that file."""
    return {
        "docs/settings.md": settings.page(root),
        "docs/metrics.md": metrics.page(root),
        "docs/security.md": matrix.page(root),
        "docs/architecture.md": arrows.page(root),
        "docs/events.md": events.page(),
        "helm/encore/README.md": chart.page(root),
        "schemas/openapi.json": api.openapi(),
        "schemas/asyncapi.yaml": events.asyncapi(root),
        **events.schema_files(root),
    }


def stale(root: Path, made: dict[str, str]) -> list[str]:
    """The documents whose file is missing or says something else."""
    return [path for path, text in made.items() if not _reads(root / path, text)]


def _reads(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text
