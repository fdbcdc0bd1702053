"""Sound whose term is over: the row says so first, a while later the file goes, then the row says that it is gone.

Killed between, the next call finds what is left. The other order would leave rows that promise a sound that is gone.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from services.audit import Actor, record
from services.gateway import metrics
from services.gateway.blobs import Blobs
from services.gateway.store import Store
from services.gateway.terms import Terms
from services.postgres import Queries, load_queries

Kind = Literal["tracks", "songs"]
FINISHED_S: Final = 300.0
"""Whoever began to send a sound when its term ended has finished: the longest lasts two minutes."""
_BY: Final = Actor("process", "gateway")
_MOST: Final = 500


async def expire(store: Store, terms: Terms) -> dict[Kind, int]:
    """Notes what is over its term; returns how many of each kind. Of tracks the audit tells.

    Raises:
        BackendAway: Postgres is away; what was noted stays so.
    """
    kept: dict[Kind, float | None] = {"tracks": terms.tracks_s, "songs": terms.songs_s}
    return {kind: 0 if kept_s is None else await _expire(store, kind, kept_s) for kind, kept_s in kept.items()}


async def erase(store: Store, blobs: Blobs, after_s: float = FINISHED_S) -> dict[Kind, int]:
    """Removes the files of what was noted more than `after_s` seconds ago; returns how many the store confirmed.

    Raises:
        BackendAway: Postgres is away. What is not noted is removed again by the next call.
        OSError: the store is away.
    """
    folders: dict[Kind, Callable[[UUID], str]] = {"tracks": blobs.track, "songs": blobs.song}
    found: dict[Kind, int] = {}
    for kind, folder in folders.items():
        found[kind] = 0
        while rows := await store.rows(_queries()[f"unerased_{kind}"], {"after_s": after_s, "most": _MOST}):
            for row in rows:
                # By its key: where a row says that a file lies is not where this may remove one.
                await blobs.drop(f"{folder(row['id'])}/audio.flac")
                await store.rows(_queries()[f"erased_{kind}"], row)
                metrics.AUDIO_ERASED.labels(kind).inc()
            found[kind] += len(rows)
    return found


async def _expire(store: Store, kind: Kind, kept_s: float) -> int:
    total = 0
    while True:
        async with store.transaction() as execute:
            count = len(await execute(_queries()[f"expire_{kind}"], {"kept_s": kept_s, "most": _MOST}))
            if count and kind == "tracks":
                await record(execute, _BY, "audio.expired", tracks=count, kept_s=kept_s)
        total += count
        if count < _MOST:
            return total


@cache
def _queries() -> Queries:
    return load_queries(Path(__file__).with_suffix(".sql"))
