"""Classified values in columns that the rules do not know of.

Somebody who sees a classified column raw may write its values elsewhere. Such a *filling* is
remembered with the column it went to, which then is *drifted*: those who may not see the source
raw may not read it either, until the rules classify or declassify it, or its table is dropped.
Views, partitions and generated columns over drifted columns are drifted too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dbguard.sql.snapshot import Relation, RelationKind, Snapshot

from .model import SYSTEM_TAGS, Policy, covers
from .remembering import ColumnKey


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A classified column whose values went somewhere."""

    relation: int
    number: int
    name: str
    """`schema.table.column` as it was then."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Classified values went into a column that does not carry their tags."""

    relation: int
    """OID; 0 for a table that the statement makes."""
    number: int
    schema: str
    table: str
    column: str
    """Empty: any column of the table."""
    temporary: bool
    sources: tuple[Source, ...]
    tags: frozenset[str]
    besides: int = 0
    """OID of the table that had the name already: it is not the one that the statement makes."""

    def __str__(self) -> str:
        return ".".join(filter(None, (self.schema, self.table, self.column)))


@dataclass(frozen=True, slots=True)
class Drift:
    """What a drifted column may hold."""

    tags: frozenset[str]
    sources: frozenset[Source]

    def __or__(self, other: Drift | None) -> Drift:
        if other is None:
            return self
        return Drift(self.tags | other.tags, self.sources | other.sources)


def uncovered(
    policy: Policy, relation: Relation, column: str, has: frozenset[str], tags: frozenset[str]
) -> frozenset[str]:
    """Which of `tags` the rules do not answer for in a column that carries the tags `has`.

    A pattern that names the column answers for all: somebody has looked at it. A pattern that
    names the table as a whole answers for its own tag only. Patterns don't mean temporary tables.
    """
    known = policy.tags | SYSTEM_TAGS
    if is_temporary_table(relation):
        return tags & known
    names = (relation.schema, relation.name, column)
    named = (p for entry in policy.classification for p in entry.columns)
    if any(p.matches(*names) for p in (*policy.declassified, *named)):
        return frozenset()
    return frozenset(t for t in tags & known if not any(covers(t, h) or covers(h, t) for h in has))


def drifted(
    policy: Policy,
    snapshot: Snapshot,
    tagged: Mapping[ColumnKey, frozenset[str]],
    sources: Mapping[ColumnKey, frozenset[ColumnKey]],
    filled: Iterable[Filling],
) -> Mapping[ColumnKey, Drift]:
    """The drifted columns of a catalog after these fillings, wherever the values flow on to."""
    found: dict[ColumnKey, Drift] = {}
    for filling in filled:
        drift = Drift(filling.tags, frozenset(filling.sources))
        for key in filled_keys(snapshot, filling):
            found[key] = drift | found.get(key)
    if not found:
        return found
    _spread(found, snapshot, sources)
    kept = {}
    for (oid, number), drift in found.items():
        relation = snapshot.relation_by_oid[oid]
        column = relation.column(number)
        if column is None:
            continue
        has = tagged.get((oid, number), frozenset())
        tags = uncovered(policy, relation, column.name, has, drift.tags)
        if tags:
            kept[oid, number] = Drift(tags, drift.sources)
    return kept


def filled_keys(snapshot: Snapshot, filling: Filling) -> tuple[ColumnKey, ...]:
    """The columns of this catalog that a filling is about; none when they are not there."""
    relation = filled_relation(snapshot, filling)
    if relation is None:
        return ()
    if not filling.column:
        return tuple((relation.oid, c.number) for c in relation.columns)
    if filling.relation:
        return ((relation.oid, filling.number),)
    column = relation.column_by_name.get(filling.column)
    if column is None:  # the statement gave it another name
        return tuple((relation.oid, c.number) for c in relation.columns)
    return ((relation.oid, column.number),)


def filled_relation(snapshot: Snapshot, filling: Filling) -> Relation | None:
    """The table that a filling is about, if this catalog has it."""
    if filling.relation:
        return snapshot.relation_by_oid.get(filling.relation)
    if not filling.temporary:
        found = snapshot.relation_by_name.get((filling.schema, filling.table))
        return None if found is not None and found.oid == filling.besides else found
    own = (r for r in snapshot.relations if r.temporary and r.name == filling.table)
    return next(own, None)


def _spread(
    found: dict[ColumnKey, Drift],
    snapshot: Snapshot,
    sources: Mapping[ColumnKey, frozenset[ColumnKey]],
) -> None:
    """To generated columns of the same table, and along `sources`, which may form circles."""
    readers: dict[ColumnKey, set[ColumnKey]] = {}
    for column, taken in sources.items():
        if column[0] in snapshot.relation_by_oid:
            for source in taken:
                readers.setdefault(source, set()).add(column)
    waiting = list(found)
    while waiting:
        key = waiting.pop()
        relation = snapshot.relation_by_oid.get(key[0])
        generated = {
            (key[0], c.number) for c in (relation.columns if relation else ()) if c.generated
        }
        for reader in readers.get(key, set()) | generated:
            joined = found[key] | found.get(reader)
            if joined != found.get(reader):
                found[reader] = joined
                waiting.append(reader)


def is_temporary_table(relation: Relation) -> bool:
    """A temporary table holds what its session was shown, and no other session sees it."""
    return relation.temporary and relation.kind in (
        RelationKind.TABLE,
        RelationKind.PARTITIONED_TABLE,
    )
