"""What the routes work with, built once by the application."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from services.errors import BackendAway
from services.gateway.analysis import Analysis
from services.gateway.blobs import Blobs
from services.gateway.board import Board
from services.gateway.budgets import Budgets
from services.gateway.changes import Changes
from services.gateway.engine import Engine
from services.gateway.lineage import Lineage
from services.gateway.log_keys import LogKeys
from services.gateway.outbox import Outbox
from services.gateway.reports import Reports
from services.gateway.settings import GatewaySettings
from services.gateway.slots import Slots
from services.gateway.store import Reach, Store
from services.gateway.tracks import TrackMaker
from services.principals.keys import KeyFile
from services.principals.principal import Principal


@dataclass(frozen=True, slots=True)
class Parts:
    settings: GatewaySettings
    store: Store
    blobs: Blobs
    engine: Engine
    log_keys: LogKeys
    outbox: Outbox
    board: Board
    changes: Changes
    maker: TrackMaker
    reports: Reports  # with connections of its own: a question must not stop the answers
    analysis: Analysis  # likewise
    lineage: Lineage
    uploads: Slots
    exports: Slots
    keys: KeyFile
    budgets: Budgets


def parts_of(request: Request) -> Parts:
    parts = getattr(request.app.state, "parts", None)
    if not isinstance(parts, Parts):  # it has not started yet, and is asked from inside
        raise BackendAway("gateway", "The gateway is starting.")
    principal = request.scope.get("encore.principal")
    return parts if principal is None else replace(parts, store=parts.store.within(_reach(principal)))


def _reach(principal: Principal) -> Reach | None:
    """None for staff: what is a listener's has a scope that they lack."""
    if principal.kind == "service":
        return Reach(service=principal.name)
    return None if principal.listener_id is None else Reach(listener_id=principal.listener_id)


def principal_of(request: Request) -> Principal:
    """Who asks; only for routes that are guarded."""
    principal = request.scope["encore.principal"]
    assert isinstance(principal, Principal)
    return principal


At = Annotated[Parts, Depends(parts_of)]
"""What the routes work with, within the principal's reach."""
By = Annotated[Principal, Depends(principal_of)]
