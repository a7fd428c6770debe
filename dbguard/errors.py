"""The error tree.

Every error that can reach a database client carries its SQLSTATE on the class and three parts
of wording: *message* (what was refused; lower case, no full stop), *detail* (which rule or
limit), *hint* (what to do next). No part may hold a literal, a bind parameter or a row value.
"""

from __future__ import annotations

from typing import ClassVar


class DbguardError(Exception):
    """Root of all errors dbguard raises on purpose."""

    sqlstate: ClassVar[str] = "XX000"

    def __init__(
        self, message: str, *, detail: str = "", hint: str = "", position: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        """1-based character offset in the client's statement text, when one is known."""


class ConfigurationError(DbguardError):
    """Settings, rules or flags are wrong: exit code 2. `message` starts with file:line:column."""

    sqlstate = "F0000"


class ProtocolViolation(DbguardError):
    """The peer sent bytes that the protocol does not allow in this place."""

    sqlstate = "08P01"


class FeatureNotSupported(DbguardError):
    """A part of the protocol that dbguard does not carry (replication, for one)."""

    sqlstate = "0A000"


class StatementError(DbguardError):
    """A statement is not run; the session goes on."""


class NotUnderstood(StatementError):
    """Analysis could not see what the statement touches."""

    sqlstate = "0A000"


class PolicyRefusal(StatementError):
    """The policy refuses the statement."""

    sqlstate = "42501"


class LimitExceeded(StatementError):
    """One of dbguard's own limits (size, depth, time, memory, count)."""

    sqlstate = "53400"


class AuditUnavailable(StatementError):
    """The audit log cannot be written, so nothing may run."""

    sqlstate = "58030"


class StateUnavailable(StatementError):
    """The state file cannot be read or written, so what must not be forgotten may not happen."""

    sqlstate = "58030"


class CatalogUnavailable(StatementError):
    """The control connection cannot say what the database holds, so nothing can be analysed."""

    sqlstate = "58000"


class SyntaxRefused(StatementError):
    """PostgreSQL's grammar rejects the text; wording is PostgreSQL's own."""

    sqlstate = "42601"


class UndefinedName(StatementError):
    """A name that PostgreSQL would not find either; wording is PostgreSQL's own."""

    def __init__(self, sqlstate: str, message: str, *, hint: str = "", position: int | None = None):
        super().__init__(message, hint=hint, position=position)
        self.code = sqlstate


class BackupError(DbguardError):
    """A backup could not be made, read or verified."""

    sqlstate = "58000"


def sqlstate_of(error: DbguardError) -> str:
    """The five-character code to send to the client for `error`."""
    return error.code if isinstance(error, UndefinedName) else error.sqlstate
