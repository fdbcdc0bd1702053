"""`python -m training.main`: the factory. Serves metrics, starts the Ray Train job and stays in the foreground."""

import signal
import sys
from types import FrameType

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, start_http_server

from training.log import configure
from training.metrics import Published
from training.settings import Settings


def main() -> int:
    """Runs until SIGTERM or Ctrl-C (exit 0), or until Ray is lost (exit 1: whoever supervises starts it again)."""
    settings = Settings()
    configure(settings.log_level)
    log = structlog.get_logger()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(Published(settings.factory_folder))
    start_http_server(settings.metrics_port, settings.metrics_host, registry)
    log.info("factory_starts", ray=settings.ray_address, folder=str(settings.factory_folder))
    from training.ray_train import connect, run

    try:
        connect(settings)
        # After Ray's own handler, which prints a stack trace.
        signal.signal(signal.SIGTERM, _stop)
        run(settings)
    except (SystemExit, KeyboardInterrupt):
        log.info("factory_stops")
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: one log line, then the supervisor's turn
        log.error("factory_lost", reason=repr(error))  # noqa: TRY400 - the reason says it
        return 1
    return 0


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
