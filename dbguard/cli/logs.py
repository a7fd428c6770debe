"""The application log: JSON lines on standard error, never a value of a statement."""

from __future__ import annotations

import logging
import sys

import structlog
import typer
from structlog.typing import EventDict

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str, worker: int = 0) -> None:
    """Set up structlog; lines of one of several workers carry its number.

    Raises:
        typer.BadParameter: unknown level.
    """
    if level not in _LEVELS:
        raise typer.BadParameter(f"{level} is not one of {', '.join(_LEVELS)}")
    logging.getLogger("sqlglot").disabled = True

    def numbered(_: object, __: str, event: EventDict) -> EventDict:
        return {"worker": worker, **event} if worker else event

    structlog.configure(
        processors=[
            numbered,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
