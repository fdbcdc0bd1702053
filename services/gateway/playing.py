"""What a listener hears and where they are in it, as their devices tell: a new one goes on there, and one sounds."""

from pathlib import Path
from typing import Final
from uuid import UUID

from schemas.playing import PlayingSet, PlayingView
from services.gateway.store import Store
from services.postgres import load_queries

QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))
KEPT_DAYS: Final = 30
"""Nobody goes on later."""


async def tell(store: Store, listener_id: UUID, said: PlayingSet) -> PlayingView:
    """Keeps what a device says, unless another one has begun since; what is kept then."""
    known = {"listener_id": listener_id}
    async with store.transaction() as execute:
        held = await execute(QUERIES["hold"], known | {"device_id": said.device_id, "begins": said.begins})
        if held and said.station is not None:
            await execute(QUERIES["keep"], known | said.station.model_dump())
        rows = await execute(QUERIES["playing"], known)
    return PlayingView.model_validate(rows[0])


async def told(store: Store, listener_id: UUID) -> PlayingView | None:
    """None of who heard nothing lately."""
    rows = await store.rows(QUERIES["playing"], {"listener_id": listener_id})
    return PlayingView.model_validate(rows[0]) if rows else None


async def forget(store: Store, listener_id: UUID) -> None:
    await store.rows(QUERIES["forget"], {"listener_id": listener_id})


async def forget_old(store: Store) -> None:
    """What is over its term, of everybody."""
    await store.rows(QUERIES["forget_old"], {"days": KEPT_DAYS})
