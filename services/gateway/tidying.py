"""Removes from the blob store what killed processes left behind, what listeners took back and what is over its term,
budgets that are whole again, and where nobody goes on: in one gateway of all, again and again."""

import asyncio
from typing import Final

import structlog

from services.errors import BackendAway
from services.gateway.blobs import Blobs
from services.gateway.claims import Claims
from services.gateway.ledger import Ledger
from services.gateway.playing import forget_old
from services.gateway.retention import erase, expire
from services.gateway.store import Store
from services.gateway.terms import Terms
from services.gateway.withdrawals import erase_withdrawn

log = structlog.get_logger()

EVERY_S: Final = 600.0
DUTY: Final = "tidying"


async def tidy(
    store: Store, blobs: Blobs, claims: Claims, ledger: Ledger, terms: Terms, every_s: float = EVERY_S
) -> None:
    """Runs until cancelled. Who has the duty keeps it while its session with Postgres lives; then another has it."""
    while True:
        try:
            if await claims.take(DUTY):
                log.info("abandoned_dropped", count=await blobs.drop_abandoned())
                await ledger.drop_full()
                await forget_old(store)
                log.info("withdrawn_erased", count=await erase_withdrawn(store, blobs))
                log.info("audio_expired", **await expire(store, terms))
                log.info("audio_erased", **await erase(store, blobs))
        except BackendAway as error:
            log.warning("backend_away", backend=error.backend, reason=error.message)
        except OSError as error:
            log.warning("store_away", error=str(error))
        await asyncio.sleep(every_s)
