"""Log lines of the serving processes: JSON, one line an event, to stderr. Ray's own lines are left to Ray."""

import logging
import sys
from typing import Any

import structlog


def configure_logging(process: str, level: str) -> None:
    """Makes every structlog line of this process one JSON object that names the process."""

    def name_process(_logger: object, _method: str, event: Any) -> Any:
        event["process"] = process
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_process,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one write: threads do not share one
    )
