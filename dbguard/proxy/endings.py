"""Why dbguard itself ends a connection, or lets none begin; codes are PostgreSQL's for the same."""

from __future__ import annotations

from dataclasses import dataclass

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


class SessionRevoked(DbguardError):
    """Who it was let in as may be here no longer; as if by an administrator's command."""

    sqlstate = "57P01"


class OldSession(DbguardError):
    """limits.session_age is over; no code of PostgreSQL's fits better."""

    sqlstate = "57P05"


class IdleSession(DbguardError):
    """limits.idle_timeout is over; PostgreSQL's idle_session_timeout."""

    sqlstate = "57P05"


class TokenExpired(DbguardError):
    """What the session began with proves nothing any more. The code is that of an administrator's
    command: pools take it for a reason to connect anew."""

    sqlstate = "57P01"

    def __init__(self) -> None:
        super().__init__(
            "terminating connection because its token has expired",
            detail="The token that this session began with is no longer valid.",
            hint="Reconnect with a new token.",
        )


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a session has to end."""

    at: float
    """Seconds since 1970; from then on it ends as soon as nothing of it is under way."""
    grace: float
    """Seconds, after which it ends whatever is under way."""
    error: DbguardError


def revoked(reason: str) -> SessionRevoked:
    """The error for a session whose user may be here no longer, or not as it is."""
    return SessionRevoked(
        f"terminating connection: {reason}",
        detail="What dbguard knows of its users has changed since this session began.",
        hint="Log in again, or ask whoever runs dbguard.",
    )
