"""Proof that a rewritten text is the client's text plus masked relations, and nothing else.

The referee parses both texts, and both trees are walked side by side. They must be equal but for
these differences, each of which must be one that the reading calls for:

* a relation in FROM stands in a derived table of exactly the form in `derivedform`;
* a relation's name has its schema in front, a function's name `pg_catalog`;
* a call that shows a definition stands in a query that takes values out, as in `definitions`;
* a column reference has lost the schema in front of its table, or names the generated alias;
* GROUP BY starts with the columns that depend on a primary key grouped by;
* COPY has a query of the same form instead of a table.

Nothing here uses the positions or the pieces of text that `rewrite` worked with. That a
restricted relation is reachable unmasked is refused even when the reading says that no masked
column of it is used: the statement must not so much as hold a masked column's name then.
"""

from __future__ import annotations

from dbguard.errors import NotUnderstood, SyntaxRefused

from . import referee
from .comparison import Comparison
from .derivedform import Mismatch
from .mentions import mentions
from .recursion import deep_recursion
from .rewrite import Masks, Rewritten
from .sites import Reading
from .snapshot import Snapshot
from .splices import apply


def verify(
    original: str,
    rewritten: Rewritten,
    readings: tuple[Reading, ...],
    masks: Masks,
    snapshot: Snapshot,
) -> None:
    """Compare the trees of both texts.

    Raises:
        NotUnderstood: they differ otherwise than the readings call for.
    """
    try:
        with deep_recursion():
            _verify(original, rewritten, readings, masks, snapshot)
    except Mismatch as error:
        raise NotUnderstood(
            "dbguard could not prove that its changes to this statement are right",
            detail=f"they differ in {error}",
            hint="Simplify the statement, or report this as a bug in dbguard.",
        ) from None
    except RecursionError:
        raise NotUnderstood(
            "the statement is nested too deeply to analyse", hint="Split the statement."
        ) from None


def _verify(
    original: str,
    rewritten: Rewritten,
    readings: tuple[Reading, ...],
    masks: Masks,
    snapshot: Snapshot,
) -> None:
    shown = any(call.definition for reading in readings for call in reading.calls)
    unchanged = not rewritten.splices and rewritten.text == original
    if unchanged and not shown and not any(masks.values()):
        return
    if not _made_by(original, rewritten):
        raise Mismatch("the text around the changes")
    before = referee.parse(original)
    try:
        after = referee.parse(rewritten.text)
    except SyntaxRefused:
        raise Mismatch("its syntax") from None
    if len(before) != len(after):
        raise Mismatch("the number of statements")
    by_start = {reading.start: reading for reading in readings}
    if len(by_start) != len(readings) or {s.start for s in before} - set(by_start):
        raise Mismatch("where statements begin")
    for reading in readings:
        if reading.relations and reading.start not in {s.start for s in before}:
            raise Mismatch("where statements begin")
    for old, new in zip(before, after, strict=True):
        Comparison(by_start[old.start], masks, snapshot, mentions(old.node)).run(old, new)


def _made_by(original: str, rewritten: Rewritten) -> bool:
    try:
        made = apply(original.encode("utf-8"), rewritten.splices)
    except ValueError:
        return False
    return made == rewritten.text.encode("utf-8")
