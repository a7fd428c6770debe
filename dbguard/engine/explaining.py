"""A plan with everything that led to it, for people who write rules.

The plan is `plan_text`'s own, the facts those that it was made from. Nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.errors import DbguardError, StatementError
from dbguard.policy.explaining import RuleNote, explain_destruction, explain_rules
from dbguard.sql.destruction import ADDITIVE, Destruction
from dbguard.sql.facts import StatementFacts
from dbguard.sql.redact import UNREADABLE, redact
from dbguard.sql.splices import PositionMap

from .plan import Plan, PlannedStatement, PlanRequest
from .planning import World, plan_text, read_statements


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text that would be sent."""

    text: str
    spliced: bool
    """Put in by dbguard; else it stands in the client's text."""


@dataclass(frozen=True, slots=True)
class ExplainedStatement:
    """One statement of the text."""

    text: str
    """As it was given."""
    planned: PlannedStatement
    facts: StatementFacts
    rules: tuple[RuleNote, ...]
    sent: tuple[Piece, ...]
    """What the server would get for it; empty when the text is refused."""
    destroys: Destruction = ADDITIVE
    """What it can destroy, in code that it runs unseen as well."""

    @property
    def sent_text(self) -> str:
        return "".join(piece.text for piece in self.sent)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One text, explained. `statements` is empty when it could not be read at all."""

    plan: Plan
    statements: tuple[ExplainedStatement, ...]


def explain_text(world: World, request: PlanRequest) -> Explanation:
    """Plan a text as the proxy does, and keep what the plan rests on."""
    plan = plan_text(world, request)
    try:
        readings = read_statements(world, request)
    except StatementError:
        return Explanation(plan, ())
    raw = request.text.encode("utf-8")
    statements = []
    for planned, reading in zip(plan.statements, readings, strict=True):
        start = len(raw[: reading.start].decode("utf-8"))
        text = raw[reading.start : reading.end].decode("utf-8")
        judged = (world.bound, reading.facts, request.principal, request.environment)
        rules = explain_rules(*judged, planned.decision)
        destroys = explain_destruction(*judged)
        sent = () if plan.refusal else pieces(plan, start, start + len(text))
        statements.append(ExplainedStatement(text, planned, reading.facts, rules, sent, destroys))
    return Explanation(plan, tuple(statements))


def pieces(plan: Plan, start: int, end: int) -> tuple[Piece, ...]:
    """What is sent for the characters `start` to `end` (0-based) of the client's text."""
    runs = plan.positions or PositionMap()
    found = []
    behind = (*runs.rewritten[1:], len(plan.text))
    for begins, original, kept, ends in zip(
        runs.rewritten, runs.original, runs.kept, behind, strict=True
    ):
        if not kept:
            inside = start <= original <= end
            first, last = begins, ends if inside else begins
        else:
            first = max(begins, begins + start - original)
            last = min(ends, begins + end - original)
        if last > first:
            found.append(Piece(plan.text[first:last], spliced=not kept))
    return tuple(found)


def redacted(text: str) -> str:
    """`text` without its literals, as the audit log would have it."""
    try:
        return redact(text)
    except DbguardError:
        return UNREADABLE
