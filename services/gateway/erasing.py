"""Goes on with erasures: in one gateway of all, again and again."""

import asyncio
from typing import Final

import structlog

from services.errors import BackendAway
from services.gateway.blobs import Blobs
from services.gateway.claims import Claims
from services.gateway.engine import Engine, EngineAway, EngineRefused
from services.gateway.erasures import forget_at_hand, go_on
from services.gateway.store import Store

log = structlog.get_logger()

EVERY_S: Final = 5.0
DUTY: Final = "erasing"


async def keep_erasing(store: Store, blobs: Blobs, engine: Engine, claims: Claims, every_s: float = EVERY_S) -> None:
    """Runs until cancelled. Who has the duty keeps it while its session with Postgres lives; then another has it."""
    while True:
        try:
            if await claims.take(DUTY):
                await go_on(store, blobs)
                await forget_at_hand(store, engine)
        except BackendAway as error:
            log.warning("backend_away", backend=error.backend, reason=error.message)
        except (EngineAway, EngineRefused) as error:
            log.warning("erasing_put_off", backend="engine", reason=str(error))
        except OSError as error:
            log.warning("store_away", error=str(error))
        await asyncio.sleep(every_s)
