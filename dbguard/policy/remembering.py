"""What the rules said of columns before: renaming and parting must not take tags off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbguard.sql.snapshot import RelationKind, Snapshot

from .model import SYSTEM_TAGS, Policy

ColumnKey = tuple[int, int]
"""pg_class.oid and pg_attribute.attnum."""

_NO_TAGS: frozenset[str] = frozenset()
_COMPUTED = (RelationKind.VIEW, RelationKind.MATERIALIZED_VIEW)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A classified column as an earlier binding knew it."""

    name: str
    tags: frozenset[str]
    kept: bool
    """It carried its tags already because of an even earlier name."""
    inherited: frozenset[str] = frozenset()
    """Tags that a table's column carried because of other columns: the parent's, a referenced
    one's."""
    sources: frozenset[ColumnKey] = frozenset()
    """Those other columns."""


def remember(
    snapshot: Snapshot,
    tagged: Mapping[ColumnKey, frozenset[str]],
    own: Mapping[ColumnKey, frozenset[str]],
    kept: Mapping[ColumnKey, frozenset[str]],
    sources: Mapping[ColumnKey, frozenset[ColumnKey]],
) -> Mapping[ColumnKey, Remembered]:
    """What the next binding needs to know of one that found these tags."""
    found: dict[ColumnKey, Remembered] = {}
    for key, tags in tagged.items():
        name = column_name(snapshot, key)
        by_pattern = own.get(key, _NO_TAGS)
        computed = name is not None and snapshot.relation_by_oid[key[0]].kind in _COMPUTED
        if name is None or (computed and not by_pattern):
            continue
        others: frozenset[ColumnKey] = frozenset()
        if not computed and tags - by_pattern:
            others = frozenset(
                source
                for source in sources.get(key, ())
                # a parent only shows its children's rows
                if key[0] not in ancestors(snapshot, source[0])
            )
        if by_pattern or others:
            inherited = tags - by_pattern if others else _NO_TAGS
            found[key] = Remembered(name, by_pattern, key in kept, inherited, others)
    return found


def renamed(
    own: Mapping[ColumnKey, frozenset[str]],
    policy: Policy,
    snapshot: Snapshot,
    previous: Mapping[ColumnKey, Remembered],
) -> dict[ColumnKey, frozenset[str]]:
    """Tags that renamed columns carried before and patterns no longer give them."""
    kept = {}
    for key, before in previous.items():
        tags = (before.tags & (policy.tags | SYSTEM_TAGS)) - own.get(key, _NO_TAGS)
        new = column_name(snapshot, key)
        moved = tags and new is not None and (before.name != new or before.kept)
        if moved and not _is_declassified(policy, snapshot, key):
            kept[key] = tags
    return kept


def parted(
    tagged: Mapping[ColumnKey, frozenset[str]],
    policy: Policy,
    snapshot: Snapshot,
    previous: Mapping[ColumnKey, Remembered],
) -> Mapping[ColumnKey, frozenset[str]]:
    """Tags that columns of tables took from others which they have nothing to do with any more: a
    partition was detached, a foreign key dropped. The rows are still the same."""
    found = {}
    for key, before in previous.items():
        tags = (before.inherited & policy.tags) - tagged.get(key, _NO_TAGS)
        if not tags or column_name(snapshot, key) is None:
            continue
        present = [s for s in before.sources if column_name(snapshot, s) is not None]
        if len(present) == len(before.sources):  # what they carry no more, the rules took off
            tags &= frozenset().union(*(tagged.get(s, _NO_TAGS) for s in present))
        if tags and not _is_declassified(policy, snapshot, key):
            found[key] = tags
    return found


def _is_declassified(policy: Policy, snapshot: Snapshot, key: ColumnKey) -> bool:
    relation = snapshot.relation_by_oid[key[0]]
    column = relation.column(key[1])
    return column is not None and any(
        p.matches(relation.schema, relation.name, column.name) for p in policy.declassified
    )


def column_name(snapshot: Snapshot, key: ColumnKey) -> str | None:
    """`schema.table.column`, or None when the snapshot has no such column."""
    relation = snapshot.relation_by_oid.get(key[0])
    column = relation.column(key[1]) if relation is not None else None
    if relation is None or column is None:
        return None
    return f"{relation.schema}.{relation.name}.{column.name}"


def ancestors(snapshot: Snapshot, relation: int) -> frozenset[int]:
    """Partitioned tables and inheritance parents above a relation."""
    seen: set[int] = set()
    waiting = [relation]
    while waiting:
        found = snapshot.relation_by_oid.get(waiting.pop())
        new = set(found.parents) - seen if found else set()
        seen |= new
        waiting.extend(new)
    return frozenset(seen)
