"""Why dbguard itself ends a connection, or lets none begin; codes are PostgreSQL's for the same."""

from __future__ import annotations

from dbguard.errors import DbguardError


class InternalError(DbguardError):
    """A defect of dbguard's: the session ends, nothing more is forwarded."""

    sqlstate = "XX000"


class TooManyConnections(DbguardError):
    """A limit on connections is reached."""

    sqlstate = "53300"


class ShuttingDown(DbguardError):
    """dbguard is being stopped."""

    sqlstate = "57P01"


class IdleSession(DbguardError):
    """limits.idle_timeout is over; PostgreSQL's idle_session_timeout."""

    sqlstate = "57P05"
