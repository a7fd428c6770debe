"""The server's own rows of a catalog document: read once, as long as none of them changes.

They are most of the work of reading a catalog, which happens behind much of the DDL. A whole
document carries a fingerprint of these rows; a normal one leaves them out, carries the same
fingerprint, and is completed with what was read before when both are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbguard.sql.snapshot import (
    FIRST_NORMAL_OID,
    Column,
    Function,
    Relation,
    Snapshot,
    SystemObjects,
)

from .query import SYSTEM_PARTS

Parts = Mapping[str, list[list[Any]]]


class SystemRowsChanged(ValueError):
    """A normal document does not go with the rows that were kept: a whole one has to be read."""


@dataclass(frozen=True, slots=True)
class SystemRows:
    """The rows that a normal document leaves out, and what was made of them."""

    fingerprint: str
    parts: Parts
    memberships: frozenset[tuple[str, str]]
    """OID and extension of those functions that belong to one."""
    around: list[list[Any]]
    """What else columns are told by: which types can be compared, and their foreign keys."""
    objects: SystemObjects

    def complete(self, fingerprint: object, parts: Parts) -> dict[str, list[list[Any]]]:
        """The parts of a normal document with these rows in front.

        Raises:
            SystemRowsChanged: they are not what they were.
        """
        if fingerprint != self.fingerprint:
            raise SystemRowsChanged
        return {**parts, **{name: self.parts[name] + parts[name] for name in SYSTEM_PARTS}}

    def functions(self, parts: Parts) -> tuple[Function, ...]:
        """Those of `objects`, if they are in the extensions that they were in; else none."""
        return self.objects.functions if self.memberships == _memberships(parts) else ()

    def columns(self, parts: Parts) -> dict[str, tuple[Column, ...]]:
        """Those of `objects` by their relation's OID, if they are what they were; else none."""
        if self.around != _around(parts):
            return {}
        return {str(r.oid): r.columns for r in self.objects.relations}

    def share(self, relations: Sequence[Relation]) -> tuple[tuple[Relation, ...], SystemObjects]:
        """`relations` and the objects, the same as before as far as they are equal."""
        count = _system_relations(relations)
        if tuple(relations[:count]) == self.objects.relations:
            return (*self.objects.relations, *relations[count:]), self.objects
        return tuple(relations), SystemObjects(self.objects.functions, tuple(relations[:count]))


def system_rows(parts: Parts, snapshot: Snapshot, fingerprint: str) -> SystemRows:
    """What to keep of a whole document and its snapshot."""
    relations = snapshot.relations[: _system_relations(snapshot.relations)]
    functions = tuple(f for f in snapshot.functions if f.oid < FIRST_NORMAL_OID)
    return SystemRows(
        fingerprint,
        {name: [row for row in parts[name] if _is_system(row[0])] for name in SYSTEM_PARTS},
        _memberships(parts),
        _around(parts),
        SystemObjects(functions, relations),
    )


def _is_system(oid: object) -> bool:
    return int(str(oid)) < FIRST_NORMAL_OID


def _memberships(parts: Parts) -> frozenset[tuple[str, str]]:
    return frozenset(
        (str(oid), name)
        for catalog, oid, name in parts["extensions"]
        if catalog == "pg_proc" and _is_system(oid)
    )


def _around(parts: Parts) -> list[list[Any]]:
    return [
        sorted(parts["comparable"]),
        [row for row in parts["references"] if _is_system(row[0])],
    ]


def _system_relations(relations: Sequence[Relation]) -> int:
    """How many of them, at the beginning, are the server's own."""
    for count, relation in enumerate(relations):
        if relation.oid >= FIRST_NORMAL_OID:
            return count
    return len(relations)
