"""Erasures of listeners: the gateway's own rows go at once, in the transaction that begins the job; every other store's
owner finds the job in its ordinary loop and confirms its step.

From that moment nobody finds the listener, and nothing of theirs is taken: what is left of their id is a keyed hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, get_args
from uuid import UUID

from schemas.erasures import ErasedStore, ErasureView
from services.audit import record
from services.gateway.blobs import Blobs
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import Queries, load_queries
from services.principals.principal import Principal

SETTLED_S: Final = 300.0  # the engine ends a track, and finds a song's noise, within this
STORES: Final[tuple[ErasedStore, ...]] = get_args(ErasedStore)
NAMELESS: Final[tuple[ErasedStore, ...]] = ("kafka",)
"""Stores of which no process of ours searches for the listener's id."""
_WRITERS: Final[tuple[ErasedStore, ...]] = ("blobs", "rollout", "training")
"""Stores whose owners write about a listener into the audit, or name them to the engine, until they have confirmed."""
_OWN: Final = (
    "forget_requests", "forget_in_requests", "forget_switches", "forget_orders", "forget_budgets", "forget_logins",
    "forget_consents", "forget_corrections", "forget_playing", "forget_cold_starts", "forget_pairs", "forget_fours",
    "forget_tracks", "forget_withdrawn_songs", "forget_songs", "forget_log_key", "forget_listener",
)  # fmt: skip


class Forgetful(Protocol):
    """What is asked of the engine."""

    async def forget(self, listeners: Sequence[UUID]) -> None: ...


@dataclass(frozen=True, slots=True)
class Erasure:
    """A job that has begun; `open_tracks` were being made and are nobody's now."""

    erasure_id: UUID
    open_tracks: tuple[UUID, ...] = ()


async def erase(
    store: Store, by: Principal, listener_id: UUID, reason: str, settle_s: float = SETTLED_S
) -> Erasure | None:
    """Begins the erasure of a listener whom the principal reaches; one that has begun is the answer again.

    Args:
        store: the gateway's own.

    Returns:
        None if the principal reaches no such listener.

    Raises:
        BackendAway: Postgres is away; nothing was done.
    """
    sql = _queries()
    ids: dict[str, Any] = {"listener_id": listener_id, "erasure_id": uuid7(), **reach(by)}
    async with store.transaction() as execute:
        # In the order in which a song is taken back, or the two could wait for each other.
        if not await execute(sql["lock_listener"], ids):
            begun = await execute(sql["begun"], ids)
            return Erasure(begun[0]["erasure_id"]) if begun else None
        await execute(sql["lock"], {})
        ids |= {"asked_by": by.kind, "reason": reason, "settle_s": settle_s}
        await execute(sql["begin"], ids)
        await execute(sql["add_steps"], {**ids, "stores": list(STORES)})
        await execute(sql["note_files"], ids)
        opened = await execute(sql["open_tracks"], ids)
        for name in _OWN:
            await execute(sql[name], ids)
        await record(execute, by.actor, "listener.erased", subject=str(ids["erasure_id"]), reason=reason)
        await execute(sql["forget_in_audit"], ids)
        await execute(sql["confirm"], {**ids, "store": "gateway"})
    return Erasure(ids["erasure_id"], tuple(row["track_id"] for row in opened))


async def job(store: Store, by: Principal, erasure_id: UUID) -> ErasureView | None:
    """How far an erasure is; None if the principal has nothing to do with it.

    Raises:
        BackendAway: Postgres is away.
    """
    rows = await store.rows(_queries()["view"], {"erasure_id": erasure_id, **reach(by)})
    return ErasureView.model_validate(rows[0]) if rows else None


async def adopt(store: Store, listener_id: UUID, song_id: UUID, settle_s: float = SETTLED_S) -> None:
    """Takes a song into the listener's erasure that was still being taken in when it began.

    Raises:
        BackendAway: Postgres is away.
    """
    ids = {"listener_id": listener_id, "song_id": song_id, "settle_s": settle_s}
    await store.rows(_queries()["adopt"], ids)


async def go_on(store: Store, blobs: Blobs) -> None:
    """Brings the gateway's own steps of every job as far as they can be brought; each may be repeated.

    Raises:
        BackendAway: Postgres is away.
        OSError: the blob store is away.
    """
    sql = _queries()
    for row in await store.rows(sql["files_due"]):
        await _remove_files(store, blobs, row["erasure_id"], settled=row["settled"])
    await store.rows(sql["forget_spent"])
    for row in await store.rows(sql["audit_due"], {"writers": list(_WRITERS)}):
        async with store.transaction() as execute:
            await execute(sql["forget_in_audit"], row)
            await execute(sql["confirm"], {**row, "store": "audit"})
    await store.rows(sql["forget_ids"], {"nameless": list(NAMELESS)})


async def forget_at_hand(store: Store, engine: Forgetful) -> None:
    """Has the engine keep nothing at hand of whoever nobody can name to it any more.

    Raises:
        BackendAway: Postgres is away.
        EngineAway: all of them are due again.
    """
    sql = _queries()
    due = await store.rows(sql["at_hand_due"], {"writers": list(_WRITERS)})
    if not due:
        return
    await engine.forget([row["listener_id"] for row in due])
    for row in due:
        await store.rows(sql["confirm"], {**row, "store": "engine"})


def reach(by: Principal) -> dict[str, Any]:
    """Whom a principal may erase, as the statements ask."""
    service = by.name if by.kind == "service" else None
    return {"me": by.listener_id, "service": service, "everyone": by.kind == "operator"}


async def _remove_files(store: Store, blobs: Blobs, erasure_id: UUID, *, settled: bool) -> None:
    sql, ids = _queries(), {"erasure_id": erasure_id}
    files = await store.rows(sql["files"], ids)
    await blobs.drop_all(
        songs=[row["id"] for row in files if row["kind"] == "song"],
        tracks=[row["id"] for row in files if row["kind"] == "track"],
    )
    async with store.transaction() as execute:
        await execute(sql["swept"], ids)
        if settled:
            await execute(sql["forget_files"], ids)
            await execute(sql["confirm"], {**ids, "store": "blobs"})


@cache
def _queries() -> Queries:
    return load_queries(Path(__file__).with_suffix(".sql"))
