"""Errors and notices for the client: dbguard's own, and the server's with values withheld."""

from __future__ import annotations

from dbguard.audit.trails import record_name
from dbguard.errors import DbguardError
from dbguard.wire.errorfields import ErrorFields, from_error

from .plan import Plan, Refusal

WITHHELD = "the server's message is withheld: it may show protected values"
WITHHELD_HINT = "The SQLSTATE and the names of schema, table, column and constraint are shown."

_CRASH = "57P02"
_CRASHED = "terminating connection because of crash of another server process"
"""What PostgreSQL says, as a warning, when it ends all sessions (quickdie in postgres.c)."""

_KEPT = frozenset("SVCstcdn")
"""Severity, SQLSTATE, and the names of schema, table, column, data type and constraint."""


_PROCEDURAL = frozenset({b"pl_exec.c", b"plpy_elog.c", b"plperl.c", b"pltcl.c"})
"""Source files of the server that report what a function's author made up, SQLSTATE included."""


class RefusedError(DbguardError):
    """A `Refusal` on its way to the client."""

    def __init__(self, refusal: Refusal, decision: int | None, writer: str = "") -> None:
        detail = refusal.detail
        if refusal.denied and decision is not None:
            number = f"decision {record_name(writer, decision)}"
            detail = f"{detail}; {number}" if detail else number
        if refusal.because:
            detail = f"{detail}. {refusal.because}" if detail else refusal.because
        super().__init__(
            refusal.message, detail=detail, hint=refusal.hint, position=refusal.position
        )
        self.code = refusal.sqlstate


def refusal_fields(refusal: Refusal, decision: int | None = None, writer: str = "") -> ErrorFields:
    """ErrorResponse fields for a refusal, naming rule and decision; `writer` is the name of the
    chain that the decision is in."""
    error = RefusedError(refusal, decision, writer)
    return from_error(error).with_fields(sqlstate=refusal.sqlstate)


def client_error(fields: ErrorFields, plan: Plan | None, *, withhold: bool) -> ErrorFields:
    """What the client may see of a server error about `plan`.

    A class-42 error with a position was raised before execution, from the statement's own text:
    it shows nothing that the client did not send, so it passes even where texts are withheld.
    """
    if withhold and not (fields.sqlstate.startswith("42") and fields.position is not None):
        return _kept(fields).with_fields(message=WITHHELD, hint=WITHHELD_HINT)
    if plan is not None and plan.positions is not None and fields.position is not None:
        return fields.with_fields(position=str(plan.positions.to_original(fields.position)))
    return fields


def client_notice(fields: ErrorFields, *, withhold: bool) -> ErrorFields:
    """What the client may see of a server notice."""
    if not withhold:
        return fields
    kept = _kept(fields)
    return kept.with_fields(message=_CRASHED if kept.sqlstate == _CRASH else WITHHELD)


def _kept(fields: ErrorFields) -> ErrorFields:
    """What tells no value; from a procedural language's RAISE any field may be one."""
    raised = any(c == "F" and v in _PROCEDURAL for c, v in fields.pairs)
    kept = _KEPT - frozenset("stcdn") if raised else _KEPT
    shown = ErrorFields(tuple((c, v) for c, v in fields.pairs if c in kept))
    return shown.with_fields(sqlstate="P0001") if raised else shown


def notice(text: str) -> ErrorFields:
    """A NOTICE of dbguard's own."""
    return ErrorFields(
        (("S", b"NOTICE"), ("V", b"NOTICE"), ("C", b"00000"), ("M", text.encode("utf-8")))
    )
