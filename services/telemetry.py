"""Logs (JSON, one line an event, to stderr) and the metrics endpoint. Which metrics there are is each process's own.

The identifiers of the request or batch in hand live in context variables, so that every line carries them.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import start_http_server

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(process: str, level: str = "info") -> None:
    """Every log line of this process, the libraries' included, becomes one JSON object on stderr.

    Raises:
        ValueError: no such level.
    """
    if level not in _LEVELS:
        raise ValueError(f"level must be one of {', '.join(_LEVELS)}, not {level!r}")

    def name_process(_logger: object, _method: str, event: Any) -> Any:
        event.setdefault("process", process)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one write: threads do not share one
        cache_logger_on_first_use=False,
    )
    library = logging.StreamHandler(sys.stderr)
    library.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    # Libraries tell of themselves what a reader needs only when something is wrong.
    logging.basicConfig(handlers=[library], level=max(_LEVELS[level], logging.WARNING), force=True)
    # It warns whenever its network thread had to wait 0.1 s for a processor.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


@contextmanager
def bound(**identifiers: object) -> Iterator[None]:
    """Within it every log line carries these, such as `request_id` and `listener_id`; None is left out."""
    known = {name: str(value) for name, value in identifiers.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield


def request_id() -> str | None:
    """The identifier of the request in hand, or None outside a request."""
    return structlog.contextvars.get_contextvars().get("request_id")


def serve_metrics(host: str, port: int) -> int:
    """Serve the default registry at `/metrics` from a daemon thread; answers the port, chosen by the system for 0.

    Raises:
        OSError: the address is taken.
    """
    server, _ = start_http_server(port, addr=host)
    bound_port = int(server.server_port)
    structlog.get_logger().info("metrics", url=f"http://{host}:{bound_port}/metrics")
    return bound_port
