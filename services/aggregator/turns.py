"""Work beside the folding, again and again in a thread of its own."""

import threading
from collections.abc import Callable

import structlog

from services.aggregator import metrics
from services.errors import BackendAway

log = structlog.get_logger()


def repeat(turn: Callable[[], object], stop: threading.Event, pause_s: float) -> None:
    """A turn after each pause, until `stop` is set; what is away is asked again at the next."""
    while not stop.wait(pause_s):
        try:
            turn()
        except BackendAway as error:
            metrics.RETRIES.labels(error.backend).inc()
            log.warning("backend_away", backend=error.backend, reason=error.message)
