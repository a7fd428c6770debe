"""A text to readings: the passes, in order."""

from __future__ import annotations

from dataclasses import replace

from dbguard.errors import NotUnderstood, UndefinedName

from . import referee
from .crosscheck import CrossCheck, compare
from .facts import Action, Opaque, StatementFacts
from .free_literals import free_literals
from .limits import Limits
from .precheck import check_text
from .recursion import deep_recursion
from .referee import ParsedStatement
from .resolver import DOUBT, Names, resolve_statement
from .shape import MAX_BYTES
from .sites import Reading
from .snapshot import SessionView, Snapshot


def analyze(
    text: str, snapshot: Snapshot, view: SessionView, limits: Limits
) -> tuple[Reading, ...]:
    """What each statement of `text` does, under the session's view of the catalog.

    Raises:
        SyntaxRefused: PostgreSQL's grammar rejects the text.
        LimitExceeded: the text is larger or deeper than `limits` allow.
        NotUnderstood: the text as a whole cannot be read safely.
        UndefinedName: a name does not exist; code, wording and position are PostgreSQL's.
    """
    tokens = check_text(text, limits)
    try:
        with deep_recursion():
            statements = referee.parse(text)
            readings = _resolve(text, statements, snapshot, view)
            checks = compare(text, statements, tokens)
    except RecursionError:
        raise NotUnderstood(
            "the statement is nested too deeply to analyse", hint="Split the statement."
        ) from None
    readings = tuple(map(_with_second_reading, readings, checks))
    if len(readings) == 1 and len(text) <= MAX_BYTES:
        free = free_literals(statements[0], tokens)
        readings = (replace(readings[0], free=free),)
    return readings


def analyze_definition(
    text: str, snapshot: Snapshot, view: SessionView, limits: Limits
) -> tuple[Reading, ...]:
    """The same for text that the server itself wrote: a view's definition. It was not chosen by
    somebody who profits from two parsers reading it differently, so one reading is enough.

    Raises:
        StatementError: as `analyze`.
    """
    check_text(text, limits)
    try:
        with deep_recursion():
            return _resolve(text, referee.parse(text), snapshot, view)
    except RecursionError:
        raise NotUnderstood("the definition is nested too deeply to analyse") from None


def _resolve(
    text: str,
    statements: tuple[ParsedStatement, ...],
    snapshot: Snapshot,
    view: SessionView,
) -> tuple[Reading, ...]:
    raw = text.encode("utf-8")
    names = Names(view.search_path)
    return tuple(_read(raw, s, snapshot, view, names) for s in statements)


def _with_second_reading(reading: Reading, check: CrossCheck) -> Reading:
    """What both parsers do not agree on is opaque."""
    if check.understood:
        return reading
    opaque = (*reading.facts.opaque, Opaque(check.construct, check.position))
    return replace(reading, facts=replace(reading.facts, opaque=opaque))


def _read(
    raw: bytes,
    statement: ParsedStatement,
    snapshot: Snapshot,
    view: SessionView,
    names: Names,
) -> Reading:
    doubtful = names.changed or names.uncertain
    try:
        return resolve_statement(raw, statement, snapshot, view, names)
    except UndefinedName as error:
        if not doubtful:
            raise
        facts = StatementFacts(
            Action.DO,
            opaque=(Opaque(DOUBT, error.position),),
            statement_tag=statement.tag,
        )
        return Reading(facts, statement.start, statement.end)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(
            f"the statement has a form that analysis does not know ({statement.tag})"
        ) from error
