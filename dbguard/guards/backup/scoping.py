"""How much has to be backed up for a statement: from what it destroys."""

from __future__ import annotations

from typing import Final

from dbguard.guards.backup.snapshots import Scope
from dbguard.sql.destruction import Destruction, Reach

_OF_A_RELATION: Final = frozenset(
    {"index", "trigger", "rule", "policy", "constraint", "function", "procedure", "routine",
     "aggregate", "operator", "statistics", "comment", "view"}
)  # fmt: skip
"""Kinds of objects that have no rows, and whose dependants are none of tables' columns: a generated
column that goes with a function is computed from the others."""


def scope_of(destroyed: Destruction, max_bytes: int | None, *, whole: bool) -> Scope | None:
    """What a backup has to hold so that `destroyed` comes back; None when no dump of one database
    does.

    `whole`: the rows of everything, whatever is destroyed.
    """
    if destroyed.reach >= Reach.CLUSTER:
        return None
    unknown = any(not relation.oid for relation in destroyed.relations)
    # a type's dependants are columns anywhere, an extension's tables are in no dump of a part
    rowless = all(found.kind in _OF_A_RELATION for found in destroyed.objects)
    named = destroyed.reach is Reach.NAMED or rowless
    if whole or destroyed.everything or unknown or not named:
        return Scope(max_bytes=max_bytes)
    if any(found.kind == "extension" for found in destroyed.objects):
        return Scope(max_bytes=max_bytes)
    return Scope(
        everything=False,
        relations=_with_rows(destroyed),
        schemas=tuple(sorted(destroyed.schemas)),
        dependants=destroyed.reach is Reach.DEPENDANTS or bool(destroyed.schemas),
        max_bytes=max_bytes,
    )


def scope_of_rows(destroyed: Destruction) -> Scope | None:
    """The tables whose rows go with `destroyed`, as far as they are named; None when they are
    not."""
    if destroyed.everything or destroyed.database:
        return None
    return Scope(False, _with_rows(destroyed), tuple(sorted(destroyed.schemas)))


def _with_rows(destroyed: Destruction) -> tuple[int, ...]:
    return tuple(sorted({r.oid for r in destroyed.relations if r.with_rows} - {0}))
