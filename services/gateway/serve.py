"""The gateway's two servers in one event loop: the public one, and the one inside (`inside.py`)."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from services.gateway.connections import Timed
from services.gateway.inside import create_inside

_INSIDE_CONNECTIONS: Final = 64
_FINISH_S: Final = 5


class _Beside(uvicorn.Server):
    """Leaves the signals to the server that it runs beside."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket at this address.

    Raises:
        OSError: the address is taken or is not this machine's.
    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)


def configured(app: FastAPI, connections: int) -> uvicorn.Config:
    """How our servers take connections: the same parser everywhere, and limits on what a stranger may hold."""
    return uvicorn.Config(
        app,
        http=Timed,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=connections,
        timeout_graceful_shutdown=_FINISH_S,
    )


class Servers:
    """Both, on sockets that listen already.

    Attributes:
        public: the one that signals stop, and that tells whether it has started.
    """

    def __init__(self, app: FastAPI, public: socket.socket, inside: socket.socket, connections: int) -> None:
        self._sockets = public, inside
        self.public = uvicorn.Server(configured(app, connections))
        self._inside = _Beside(configured(create_inside(app), _INSIDE_CONNECTIONS))

    def run(self) -> None:
        """Serves until told to stop; the server inside goes last."""
        with asyncio.Runner(loop_factory=self.public.config.get_loop_factory()) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        public, inside = self._sockets
        beside = asyncio.create_task(self._inside.serve([inside]))
        host, port = inside.getsockname()[:2]
        structlog.get_logger().info("metrics", url=f"http://{host}:{port}/metrics")
        await self.public.serve([public])
        self._inside.should_exit = True
        await beside
