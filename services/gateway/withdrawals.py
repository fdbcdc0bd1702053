"""Songs that listeners take back: out of every request at once, then out of the blob store.

What was learned from them is retired by the same rows: the gateway plans no track with such a version, the rollout
takes it from the listener, the factory starts nothing from it and trains anew without the song.
"""

from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

from schemas.base import Problem
from services.audit import Actor, record
from services.gateway.blobs import Blobs
from services.gateway.store import Store
from services.postgres import Queries, load_queries

SETTLED_S: Final = 300.0  # the engine finds a song's noise after the song was answered
WITHDRAWN: Final = Problem(code="song_withdrawn", message="A song that this track was to follow was taken back.")


async def withdraw(store: Store, actor: Actor, listener_id: UUID, song_id: UUID) -> list[UUID] | None:
    """Takes a song back; what was taken back already may be again.

    Args:
        store: within the reach of who asks.
        listener_id: one whom the store's reach has been found to hold.

    Returns:
        The tracks that failed for it; None if the listener never had such a song.

    Raises:
        BackendAway: Postgres is away; nothing was done.
    """
    ids = {"listener_id": listener_id, "song_id": song_id}
    sql = _queries()
    async with store.transaction() as execute:
        await execute(sql["lock_listener"], ids)
        await execute(sql["lock"], {})
        gone = await execute(sql["withdraw"], ids)
        if not gone:
            return [] if await execute(sql["withdrawn"], ids) else None
        about = ids | {"features_url": gone[0]["features_url"], "problem": WITHDRAWN.model_dump_json()}
        await execute(sql["thaw"], about)
        failed = await execute(sql["fail_open_tracks"], about)
        await record(execute, actor, "song.withdrawn", subject=str(song_id), listener=str(listener_id))
    return [row["track_id"] for row in failed]


async def erase_withdrawn(store: Store, blobs: Blobs, after_s: float = SETTLED_S) -> int:
    """Removes what the blob store holds of songs that were taken back more than `after_s` seconds ago, and notes each
    that it confirmed; returns how many.

    Raises:
        BackendAway: Postgres is away. What is not noted is removed again by the next call.
        OSError: the store is away.
    """
    rows = await store.rows(_queries()["unerased"], {"after_s": after_s})
    for row in rows:
        await blobs.drop_song(row["song_id"])
        await store.rows(_queries()["erased"], row)
    return len(rows)


@cache
def _queries() -> Queries:
    return load_queries(Path(__file__).with_name("withdrawals.sql"))
