"""Goes on with erasures: in one gateway of all, again and again."""

import asyncio
from typing import Final

import structlog

from services.errors import BackendAway
from services.gateway.blobs import Blobs
from services.gateway.claims import Claims
from services.gateway.erasures import go_on
from services.gateway.store import Store

log = structlog.get_logger()

EVERY_S: Final = 5.0
DUTY: Final = "erasing"


async def keep_erasing(store: Store, blobs: Blobs, claims: Claims, every_s: float = EVERY_S) -> None:
    """Runs until cancelled. Who has the duty keeps it while its session with Postgres lives; then another has it."""
    while True:
        try:
            if await claims.take(DUTY):
                await go_on(store, blobs)
        except BackendAway as error:
            log.warning("backend_away", backend=error.backend, reason=error.message)
        except OSError as error:
            log.warning("store_away", error=str(error))
        await asyncio.sleep(every_s)
