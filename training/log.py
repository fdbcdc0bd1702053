"""Logs of the training processes: one JSON line an event, on standard error."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Sets up structlog for this process.

    Args:
        level: a name of the standard library, such as `INFO`.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one write: threads do not share one
    )
