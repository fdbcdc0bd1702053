"""Removes what the factory holds of erased listeners: adapters, what was refused, checkpoints, rows, and their part of
snapshots.

A snapshot is written anew without them and has another name then; files that no row names are removed. Every step may
be repeated, so a process killed anywhere begins again and comes to the same end. For the registry see `forgetting`.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from training.blobs import Blobs
from training.snapshot import canonical, sha256
from training.store import Store, named

SNAPSHOTS: Final = "snapshots"
_QUERIES: Final = named(Path(__file__).with_suffix(".sql"))
_SNAPSHOT: Final = re.compile(r"([0-9a-f]{64})\.json")
_ROWS: Final = ("forget_adapters", "forget_progress", "forget_troubles", "forget_in_rounds", "confirm")


def erase(store: Store, blobs: Blobs, folder: Path) -> int:
    """Erases every listener that is due, while no round runs; answers how many.

    Args:
        folder: the factory's own, where rounds keep their checkpoints.

    Raises:
        OSError: the blob store is away; the rest is due again.
    """
    due = store.rows(_QUERIES["due"])
    for row in due:
        _remove_files(store, blobs, folder, row["listener"])
        with store.transaction():
            for name in _ROWS:
                store.rows(_QUERIES[name], **row)
        structlog.get_logger().info("erased", erasure_id=str(row["erasure_id"]))
    return len(due)


def without(snapshot: bytes, listener: UUID) -> bytes:
    """The same round as if it had not reached this listener, nor heard of them. Its document may be of an older version
    that is not read as a `Snapshot` any more: of each of its lists an item is of one listener."""
    whole = json.loads(snapshot)
    parts = {name: part for name, part in whole.items() if isinstance(part, list)}
    kept = {name: [each for each in part if str(listener) not in json.dumps(each)] for name, part in parts.items()}
    return canonical({**whole, **kept})


def _remove_files(store: Store, blobs: Blobs, folder: Path, listener: UUID) -> None:
    # All of them: a round may have heard of somebody without training them, which no row says.
    for row in store.rows(_QUERIES["named_snapshots"]):
        _rewrite(store, blobs, row["sha256"], listener)
    _remove_unnamed(store, blobs)
    for kind in ("adapters", "refused"):
        blobs.remove(f"{kind}/{listener}")
    shutil.rmtree(folder / "rounds", ignore_errors=True)  # none runs: these were given up


def _rewrite(store: Store, blobs: Blobs, before: str, listener: UUID) -> None:
    try:
        data = blobs.read(blobs.url(f"{SNAPSHOTS}/{before}.json"))
    except FileNotFoundError:
        return
    if str(listener).encode() not in data:
        return
    if sha256(data) != before:  # damaged: nobody can read it
        blobs.remove(f"{SNAPSHOTS}/{before}.json")
        return
    kept = without(data, listener)
    after = sha256(kept)
    blobs.write_once(f"{SNAPSHOTS}/{after}.json", kept)
    names: dict[str, Any] = {"before": before, "after": after}
    with store.transaction():
        store.rows(_QUERIES["rename_in_rounds"], **names)
        store.rows(_QUERIES["rename_in_adapters"], **names)


def _remove_unnamed(store: Store, blobs: Blobs) -> None:
    known = {row["sha256"] for row in store.rows(_QUERIES["named_snapshots"])}
    for name in blobs.names(SNAPSHOTS):
        found = _SNAPSHOT.fullmatch(name)
        if found is None or found.group(1) not in known:
            blobs.remove(f"{SNAPSHOTS}/{name}")
