"""The application log: JSON lines on standard error, never a value of a statement."""

from __future__ import annotations

import logging
import sys

import structlog
import typer

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str) -> None:
    """Set up structlog.

    Raises:
        typer.BadParameter: unknown level.
    """
    if level not in _LEVELS:
        raise typer.BadParameter(f"{level} is not one of {', '.join(_LEVELS)}")
    logging.getLogger("sqlglot").disabled = True
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
