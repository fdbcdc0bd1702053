"""What the routes work with, built once by the application."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.errors import BackendAway
from services.gateway.analysis import Analysis
from services.gateway.blobs import Blobs
from services.gateway.board import Board
from services.gateway.engine import Engine
from services.gateway.outbox import Outbox
from services.gateway.reports import Reports
from services.gateway.settings import GatewaySettings
from services.gateway.slots import Slots
from services.gateway.store import Store
from services.gateway.tracks import TrackMaker


@dataclass(frozen=True, slots=True)
class Parts:
    settings: GatewaySettings
    store: Store
    blobs: Blobs
    engine: Engine
    outbox: Outbox
    board: Board
    maker: TrackMaker
    reports: Reports  # with connections of its own: a question must not stop the answers
    analysis: Analysis  # likewise
    uploads: Slots


def parts_of(request: Request) -> Parts:
    parts = getattr(request.app.state, "parts", None)
    if not isinstance(parts, Parts):  # it has not started yet, and is asked from inside
        raise BackendAway("gateway", "The gateway is starting.")
    return parts


At = Annotated[Parts, Depends(parts_of)]
