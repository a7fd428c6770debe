"""A text to readings: the passes, in order."""

from __future__ import annotations

import sys

from dbguard.errors import NotUnderstood, UndefinedName

from . import referee
from .facts import Action, Opaque, StatementFacts
from .limits import Limits
from .precheck import check_text
from .referee import ParsedStatement
from .resolver import Names, resolve_statement
from .sites import Reading
from .snapshot import SessionView, Snapshot

_FRAMES = 20_000
"""Python frames that the walk may use. The referee's JSON is at most 1,024 levels deep (orjson's
limit) and a level costs at most four frames; Python 3.11 keeps them on the heap."""


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
    check_text(text, limits)
    statements = referee.parse(text)
    raw = text.encode("utf-8")
    names = Names(view.search_path)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        return tuple(_read(raw, s, snapshot, view, names) for s in statements)
    except RecursionError:
        raise NotUnderstood(
            "the statement is nested too deeply to analyse", hint="Split the statement."
        ) from None
    finally:
        sys.setrecursionlimit(before)


def _read(
    raw: bytes,
    statement: ParsedStatement,
    snapshot: Snapshot,
    view: SessionView,
    names: Names,
) -> Reading:
    try:
        return resolve_statement(raw, statement, snapshot, view, names)
    except UndefinedName as error:
        if not names.changed:
            raise
        facts = StatementFacts(
            Action.DO,
            opaque=(Opaque("names may have changed earlier in this string", error.position),),
            statement_tag=statement.tag,
        )
        return Reading(facts, statement.start, statement.end)
