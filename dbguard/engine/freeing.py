"""Which other texts a plan is for as well: the one place that says so.

A plan is for its own text alone unless everything here holds; each condition is about something in
a plan that could rest on a literal, or that a text of the same shape would not share.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.sql.facts import Action
from dbguard.sql.limits import Limits
from dbguard.sql.rewrite import Rewritten
from dbguard.sql.shape import MAX_BYTES
from dbguard.sql.sites import Reading
from dbguard.sql.splices import Splice

from .plan import Freedom, PlannedStatement

_PLAIN = frozenset({Action.SELECT, Action.INSERT, Action.UPDATE, Action.DELETE})


def freedom_of(
    text: str,
    readings: Sequence[Reading],
    statements: Sequence[PlannedStatement],
    rewritten: Rewritten | None,
    limits: Limits,
) -> Freedom | None:
    """What a plan that is not refused leaves open in its text."""
    if len(readings) != 1 or len(statements) != 1 or rewritten is None:
        return None
    (reading,), (statement,) = readings, statements
    if reading.free is None or statement.action not in _PLAIN or statement.wrapper is not None:
        return None
    if reading.facts.opaque or reading.facts.missing_functions:
        return None  # who sees everything may run what was not understood
    if statement.effects or statement.fills or statement.runs:
        return None  # the session follows what its text did
    if statement.doubtful or statement.changes is not None:
        return None
    raw = text.encode("utf-8")
    if not len(raw) <= MAX_BYTES <= limits.max_text_bytes:
        return None  # with a longer literal it might be too long
    return Freedom(
        tuple(_character(raw, place) for place in reading.free),
        tuple(
            Splice(_character(raw, s.start), _character(raw, s.end), s.text)
            for s in rewritten.splices
        ),
    )


def _character(raw: bytes, place: int) -> int:
    """The character offset of a byte offset."""
    return len(raw[:place].decode("utf-8"))
