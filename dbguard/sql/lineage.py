"""Where the values of columns come from: those of views, of inheritance trees, of foreign keys, and
of columns that hold rows.

Views are read by the same analysis as statements. Values follow expressions; `count(column)`,
`column IS NULL`, filters and orderings carry none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from dbguard.errors import StatementError

from .analysis import analyze_definition
from .facts import FunctionTrust, FunctionUse, StatementFacts
from .limits import Limits
from .snapshot import Relation, RelationKind, SessionView, Snapshot

Pair = tuple[int, int]
"""(relation OID, attribute number)."""

_VIEW_KINDS = (RelationKind.VIEW, RelationKind.MATERIALIZED_VIEW)
SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})
"""Nobody follows values through views in these: the catalog does not hold their texts."""
_LIMITS = Limits(max_nesting=400, max_brackets=64)
"""Views were written by people who may change the catalog anyway; the deparser adds parentheses."""


@dataclass(frozen=True, slots=True)
class Lineage:
    sources: Mapping[Pair, frozenset[Pair]]
    """Columns whose values can flow into a column, followed through views over views."""
    unreadable: frozenset[int]
    """Views that analysis cannot see through: their columns can hold anything."""
    functions: Mapping[int, tuple[FunctionUse, ...]]
    """Functions that a view calls and that are neither built in nor a known extension's."""


def column_sources(snapshot: Snapshot) -> Mapping[Pair, frozenset[Pair]]:
    """For columns of views, partitions and inheritance trees: where their values come from."""
    return read_lineage(snapshot).sources


def unreadable_views(snapshot: Snapshot, safe: Collection[str] = ()) -> frozenset[int]:
    """OIDs of views that analysis cannot see through, by themselves or by what they read.

    `safe` are signatures of functions declared safe.
    """
    lineage = read_lineage(snapshot)
    unreadable = set(lineage.unreadable)
    for oid, functions in lineage.functions.items():
        if not all(_is_safe(f, safe) for f in functions):
            unreadable.add(oid)
    spread = True
    while spread:
        spread = False
        for (view, _), pairs in lineage.sources.items():
            relation = snapshot.relation_by_oid.get(view)
            if view in unreadable or relation is None or relation.kind not in _VIEW_KINDS:
                continue
            if any(oid in unreadable for oid, _ in pairs):
                unreadable.add(view)
                spread = True
    return frozenset(unreadable)


def _is_safe(function: FunctionUse, safe: Collection[str]) -> bool:
    if function.trust is not FunctionTrust.UNKNOWN:
        return False
    return bool(function.signatures) and all(s in safe for s in function.signatures)


def read_lineage(snapshot: Snapshot) -> Lineage:
    """Read every view of the snapshot once. Costs about a millisecond a view."""
    direct: dict[Pair, set[Pair]] = {}
    unreadable: set[int] = set()
    functions: dict[int, tuple[FunctionUse, ...]] = {}
    for relation in snapshot.relations:
        if relation.schema in SYSTEM_SCHEMAS:
            continue
        if relation.kind in _VIEW_KINDS:
            facts = _read_view(snapshot, relation)
            if facts is None:
                unreadable.add(relation.oid)
                continue
            doubtful = tuple(
                f
                for f in facts.functions
                if f.trust in (FunctionTrust.UNKNOWN, FunctionTrust.REACHES)
            )
            if doubtful:
                functions[relation.oid] = doubtful
            for column, output in zip(relation.columns, facts.outputs, strict=True):
                direct[relation.oid, column.number] = {
                    (s.relation, s.number) for s in output.sources if s.number > 0
                }
    for pair, others in (*_inheritance(snapshot).items(), *_stored(snapshot)):
        direct.setdefault(pair, set()).update(others)
    views = {r.oid for r in snapshot.relations if r.kind in _VIEW_KINDS}
    closed = {pair: _follow(pair, direct, views) for pair in direct}
    return Lineage({p: s for p, s in closed.items() if s}, frozenset(unreadable), functions)


def _read_view(snapshot: Snapshot, relation: Relation) -> StatementFacts | None:
    """The facts of a view's query; None when analysis cannot see through it."""
    if relation.definition is None:
        return None
    try:
        view = SessionView("", snapshot.definition_path)
        readings = analyze_definition(relation.definition, snapshot, view, _LIMITS)
    except StatementError:
        return None
    if len(readings) != 1:
        return None
    facts = readings[0].facts
    if facts.opaque or len(facts.outputs) != len(relation.columns):
        return None
    return facts


def _inheritance(snapshot: Snapshot) -> Mapping[Pair, set[Pair]]:
    """A child's column has its parents' meaning; a parent shows its children's rows."""
    found: dict[Pair, set[Pair]] = {}
    for child in snapshot.relations:
        for parent in _ancestors(snapshot, child):
            for column in child.columns:
                above = parent.column_by_name.get(column.name)
                if above is not None:
                    found.setdefault((child.oid, column.number), set()).add(
                        (parent.oid, above.number)
                    )
                    found.setdefault((parent.oid, above.number), set()).add(
                        (child.oid, column.number)
                    )
    return found


def _stored(snapshot: Snapshot) -> Iterator[tuple[Pair, set[Pair]]]:
    """What columns hold by their declaration: values that a foreign key points to, rows of other
    tables by their type."""
    for relation in snapshot.relations:
        if relation.schema in SYSTEM_SCHEMAS:
            continue
        for column in relation.columns:
            taken: set[Pair] = set(column.references)
            for oid in column.row_types:
                whole = snapshot.relation_by_oid.get(oid)
                taken |= {(oid, c.number) for c in (whole.columns if whole else ())}
            taken.discard((relation.oid, column.number))
            if taken:
                yield (relation.oid, column.number), taken


def _ancestors(snapshot: Snapshot, relation: Relation) -> list[Relation]:
    found: dict[int, Relation] = {}
    todo = list(relation.parents)
    while todo:
        oid = todo.pop()
        parent = snapshot.relation_by_oid.get(oid)
        if parent is not None and oid not in found:
            found[oid] = parent
            todo.extend(parent.parents)
    return list(found.values())


def _follow(start: Pair, direct: Mapping[Pair, set[Pair]], views: set[int]) -> frozenset[Pair]:
    """All sources behind `start`: through views, then one step along inheritance (siblings do
    not classify each other)."""
    found: set[Pair] = set()
    todo = [start]
    while todo:
        pair = todo.pop()
        for source in direct.get(pair, ()):
            if source not in found:
                found.add(source)
                if pair[0] in views:
                    todo.append(source)
    return frozenset(found - {start})
