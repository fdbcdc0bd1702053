"""`create_app`: the routes, the errors, the listening page, and the life of what they work with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from schemas.api import FeedbackCounts
from schemas.topics import FEEDBACK
from services.gateway import problems
from services.gateway.access import Guarded, doors_of
from services.gateway.analysis import Analysis
from services.gateway.blobs import Blobs
from services.gateway.board import Board
from services.gateway.bodies import Bounded
from services.gateway.budgets import Budgets
from services.gateway.changes import CHANNEL as CHANGED
from services.gateway.changes import Changes
from services.gateway.claims import Claims
from services.gateway.described import document_of
from services.gateway.engine import Engine
from services.gateway.erasing import keep_erasing
from services.gateway.exports import AT_ONCE as EXPORTS
from services.gateway.finished import CHANNEL as FINISHED
from services.gateway.finished import Finished
from services.gateway.hardening import Hardened
from services.gateway.ledger import Now, PostgresLedger
from services.gateway.lineage import Lineage
from services.gateway.log_keys import LogKeys
from services.gateway.metering import Metered
from services.gateway.middleware import Observed
from services.gateway.outbox import Outbox
from services.gateway.parts import Parts
from services.gateway.placing import Placed
from services.gateway.refusals import RefusalBook, Refusals
from services.gateway.reports import Reports
from services.gateway.routes import (
    analysts,
    audio,
    changes,
    consent,
    erasures,
    events,
    export,
    fours,
    health,
    lineage,
    listeners,
    operating,
    operators,
    pairs,
    playing,
    ratings,
    sessions,
    songs,
    taste,
    tracks,
)
from services.gateway.settings import GatewaySettings
from services.gateway.slots import Slots, too_many_exports, too_many_uploads
from services.gateway.store import Store
from services.gateway.tally import Bookkeeper
from services.gateway.tidying import tidy
from services.gateway.told import Told
from services.gateway.tracks import TrackMaker
from services.postgres import REPORTS, open_async_pool
from services.principals.issuer_keys import IssuerKeys
from services.principals.keys import KeyFile
from services.principals.oidc import Provider
from services.tasks import end

log = structlog.get_logger()

_ENGINE_S: Final = 2.0  # how often it is seen whether the engine does something else, while operators look at it
_FEEDBACK_S: Final = 10.0
_STATIC: Final = Path(__file__).parent / "static"
_ROUTERS: Final = (
    sessions.router,
    listeners.router,
    erasures.router,
    consent.router,
    export.router,
    songs.router,
    ratings.router,
    taste.router,
    playing.router,
    tracks.router,
    audio.router,
    pairs.router,
    fours.router,
    events.router,
    operators.router,
    operating.router,
    changes.router,
    lineage.router,
    analysts.router,
    health.router,
)


def create_app(settings: GatewaySettings, outbox: Outbox, now: Now | None = None) -> FastAPI:
    """The application; it connects when it starts and lets go when it ends, the `outbox` included. `now`: the time by
    which budgets refill; None: the database's."""

    refusals = Refusals()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.parts = await _started(settings, outbox, refusals, now, stack)
            app.state.keys = app.state.parts.keys
            wanted = settings.provider
            app.state.provider = None if wanted is None else Provider(wanted, IssuerKeys(settings.oidc_jwks_url))
            yield

    app = FastAPI(
        title="Encore",
        version="1",
        summary="Music that gets better by being heard.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/", StaticFiles(directory=_STATIC, html=True), name="page")
    # The last one added sees a request first.
    app.add_middleware(Bounded)
    app.add_middleware(Metered, public=app)
    app.add_middleware(Placed)
    app.add_middleware(Guarded, public=app, doors=doors_of(_ROUTERS))
    app.add_middleware(Observed, refusals=refusals)
    app.add_middleware(Hardened)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]
    return app


async def _started(
    settings: GatewaySettings, outbox: Outbox, refusals: Refusals, now: Now | None, stack: AsyncExitStack
) -> Parts:
    keys = KeyFile(settings.keys_file)
    pool = await stack.enter_async_context(open_async_pool(settings.postgres_dsn))
    asked = await stack.enter_async_context(open_async_pool(settings.postgres_dsn, size=2, limits=REPORTS))
    kept = await stack.enter_async_context(open_async_pool(settings.postgres_dsn, size=1))
    told = await stack.enter_async_context(open_async_pool(settings.postgres_dsn, size=1))
    paid = await stack.enter_async_context(open_async_pool(settings.postgres_dsn, size=4))
    stack.push_async_callback(outbox.aclose)
    store, board = Store(pool, settings.holdout_share), Board()
    engine = Engine(settings.engine_url, settings.engine_token.get_secret_value(), settings.engine_authority)
    claims, blobs, ledger = Claims(kept), Blobs(settings.store_url), PostgresLedger(paid, now)
    stack.push_async_callback(engine.aclose)
    stack.push_async_callback(claims.aclose)
    log_keys = LogKeys(store)
    width, patience = settings.engine_requests, settings.engine_patience
    maker = TrackMaker(store, claims, engine, log_keys, outbox, board, width=width, patience=patience)
    bookkeeper = Bookkeeper(store, outbox.tallies)
    stack.push_async_callback(bookkeeper.aclose)
    reports, changed = Reports(Store(asked)), Changes()

    async def far() -> FeedbackCounts:
        return await reports.feedback(await outbox.end_offsets(FEEDBACK))

    works = (
        maker.run(),
        Told(told, {FINISHED: Finished(store, board), CHANGED: changed}).run(),
        tidy(store, blobs, claims, ledger, settings.terms),
        keep_erasing(store, blobs, engine, claims),
        bookkeeper.run(),
        RefusalBook(store).keep(refusals),
        changed.watch("engine", _ENGINE_S, engine.status),
        changed.watch("feedback", _FEEDBACK_S, far),
    )
    for work in works:
        stack.push_async_callback(end, [asyncio.create_task(work)])
    uploads, exports = Slots(settings.uploads_at_once, too_many_uploads), Slots(EXPORTS, too_many_exports)
    analysis, lineage = Analysis(Store(asked)), Lineage(store, blobs, settings.mlflow_page)
    budgets = Budgets(settings, ledger)
    return Parts(
        settings,
        store,
        blobs,
        engine,
        log_keys,
        outbox,
        board,
        changed,
        maker,
        reports,
        analysis,
        lineage,
        uploads,
        exports,
        keys,
        budgets,
    )
