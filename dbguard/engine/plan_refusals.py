"""How a plan says that its text is not run: the client's error for each reason."""

from __future__ import annotations

from dbguard.errors import StatementError, UndefinedName, sqlstate_of
from dbguard.policy.decision import Effect
from dbguard.sql.facts import MissingFunction
from dbguard.sql.sites import Reading

from .plan import PlannedStatement, Refusal


def undefined_function(missing: MissingFunction) -> UndefinedName:
    """What ParseFuncOrColumn of PostgreSQL's parse_func.c says; it adds the arguments' types."""
    name = f"{missing.schema}.{missing.name}" if missing.schema else missing.name
    return UndefinedName(
        "42883",
        f"function {name} does not exist",
        hint="No function matches the given name and argument types. "
        "You might need to add explicit type casts.",
        position=missing.position,
    )


def first_denial(
    statements: tuple[PlannedStatement, ...], readings: tuple[Reading, ...]
) -> Refusal | None:
    """The error of the first statement that is denied."""
    for index, statement in enumerate(statements):
        if statement.decision.effect is Effect.DENY:
            reasons = statement.decision.reasons
            first = reasons[0]
            position = None
            if index < len(readings):
                opaque = readings[index].facts.opaque
                position = opaque[0].position if opaque else None
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            understood = not (index < len(readings) and readings[index].facts.opaque)
            return Refusal(
                sqlstate="42501" if understood else "0A000",
                message=first.message + more,
                detail="rule " + ", ".join(sorted({r.rule for r in reasons})),
                hint=first.hint,
                position=position,
                rule=first.rule,
            )
    return None


def refusal_of(error: StatementError, *, denied: bool = True) -> Refusal:
    """The error that analysis ended with."""
    return Refusal(
        sqlstate=sqlstate_of(error),
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        position=error.position,
        rule="analysis",
        denied=denied,
    )
