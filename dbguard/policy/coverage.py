"""What a policy misses in a catalog: patterns that match nothing, columns nobody classified."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbguard.sql.snapshot import Relation, RelationKind, Snapshot

from .binding import BoundPolicy
from .patterns import SYSTEM_SCHEMAS, Pattern
from .phi_names import looks_like_phi

_HOLDING = frozenset(
    {
        RelationKind.TABLE,
        RelationKind.PARTITIONED_TABLE,
        RelationKind.VIEW,
        RelationKind.MATERIALIZED_VIEW,
        RelationKind.FOREIGN_TABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    subject: str
    what: str
    remedy: str


def findings(bound: BoundPolicy) -> tuple[Finding, ...]:
    """Everything about the policy that does not fit its catalog."""
    return (
        *_unmatched_patterns(bound),
        *_unknown_people(bound),
        *_unknown_functions(bound),
        *_unclassified(bound),
        *_copies(bound),
    )


def _relations(snapshot: Snapshot) -> Iterable[Relation]:
    return (r for r in snapshot.relations if r.kind in _HOLDING)


def _unmatched_patterns(bound: BoundPolicy) -> Iterable[Finding]:
    """Patterns that spell a table out and match nothing; those with stars guard what may come."""
    relations = tuple(_relations(bound.snapshot))
    for entry in bound.policy.classification:
        for pattern in entry.columns:
            if pattern.names_table and not any(_matches_column(pattern, r) for r in relations):
                yield _unmatched(f"classification {entry.tag}", pattern)
        for pattern in entry.tables:
            if pattern.names_table and not _matches_table(pattern, relations):
                yield _unmatched(f"classification {entry.tag}", pattern)
    for pattern in bound.policy.declassified:
        if pattern.names_table and not any(_matches_column(pattern, r) for r in relations):
            yield _unmatched("declassified", pattern)
    for rule in bound.policy.rules:
        for pattern in rule.tables:
            if pattern.names_table and not _matches_table(pattern, relations):
                yield _unmatched(f"rule {rule.id}", pattern)


def _matches_column(pattern: Pattern, relation: Relation) -> bool:
    return any(pattern.matches(relation.schema, relation.name, c.name) for c in relation.columns)


def _matches_table(pattern: Pattern, relations: Iterable[Relation]) -> bool:
    return any(pattern.matches(r.schema, r.name) for r in relations)


def _unmatched(owner: str, pattern: Pattern) -> Finding:
    return Finding(
        pattern.text,
        f"{owner}: the pattern matches nothing",
        "correct the name, or remove the pattern",
    )


def _unknown_people(bound: BoundPolicy) -> Iterable[Finding]:
    known = bound.snapshot.role_by_name
    if not known:
        return
    for role in bound.policy.roles:
        named = role.users | role.groups  # other roles are about people whom no catalog knows
        if named and not role.identities and not named & set(known):
            yield Finding(
                role.name,
                "the database has none of this role's users and groups",
                "correct the names, or create the database role",
            )


def _unknown_functions(bound: BoundPolicy) -> Iterable[Finding]:
    known = {f.signature for f in bound.snapshot.functions}
    for signature in sorted(bound.policy.safe_functions - known):
        yield Finding(
            signature,
            "functions.safe: the database has no function of this signature",
            "spell it as \\df shows it, with the schema",
        )


def _unclassified(bound: BoundPolicy) -> Iterable[Finding]:
    for relation in sorted(_relations(bound.snapshot), key=lambda r: (r.schema, r.name)):
        if relation.schema in SYSTEM_SCHEMAS:
            continue
        for column in relation.columns:
            if bound.tags_of(relation.oid, column.number):
                continue
            names = (relation.schema, relation.name, column.name)
            if any(p.matches(*names) for p in bound.policy.declassified):
                continue
            if kind := looks_like_phi(relation.name, column.name):
                yield Finding(
                    ".".join(names),
                    f"not classified, and its name looks like {kind}",
                    "classify it, or rename it if it holds no PHI",
                )


def _copies(bound: BoundPolicy) -> Iterable[Finding]:
    """Unclassified columns with name and type of a classified one, that no other finding is
    about."""
    originals: dict[tuple[str, str], str] = {}
    relations = sorted(_relations(bound.snapshot), key=lambda r: (r.schema, r.name))
    for relation in relations:
        for column in relation.columns if relation.schema not in SYSTEM_SCHEMAS else ():
            if bound.tags_of(relation.oid, column.number):
                name = f"{relation.schema}.{relation.name}.{column.name}"
                originals.setdefault((column.name, column.base_type), name)
    for relation in relations:
        if relation.schema in SYSTEM_SCHEMAS:
            continue
        for column in relation.columns:
            original = originals.get((column.name, column.base_type))
            if original is None or bound.tags_of(relation.oid, column.number):
                continue
            names = (relation.schema, relation.name, column.name)
            looked_at = any(p.matches(*names) for p in bound.policy.declassified)
            if not looked_at and not looks_like_phi(relation.name, column.name):
                yield Finding(
                    ".".join(names),
                    f"not classified, and has the name and type of {original}",
                    "classify it, or list it under declassified if it is no copy",
                )
