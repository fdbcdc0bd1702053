"""Where a round stands, on disk: written whole or not at all, refused if it is of another snapshot."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

FORMAT = 1


def save(path: Path, snapshot_sha256: str, state: Mapping[str, Any]) -> None:
    """Replaces the checkpoint at `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, "snapshot_sha256": snapshot_sha256, "state": dict(state)}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path, snapshot_sha256: str) -> dict[str, Any] | None:
    """The state saved there for this snapshot; None if there is none or it is of another snapshot or format."""
    if not path.exists():
        return None
    content = torch.load(path, map_location="cpu", weights_only=True)
    if (content["format"], content["snapshot_sha256"]) != (FORMAT, snapshot_sha256):
        return None
    state: dict[str, Any] = content["state"]
    return state


def remove(path: Path) -> None:
    """Forgets a round's checkpoint and whatever lies beside it."""
    shutil.rmtree(path.parent, ignore_errors=True)
