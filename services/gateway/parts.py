"""What the routes work with, built once by the application."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.gateway.blobs import Blobs
from services.gateway.board import Board
from services.gateway.engine import Engine
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
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


def parts_of(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


At = Annotated[Parts, Depends(parts_of)]
