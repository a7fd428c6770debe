"""Rules about tables, and statements that name something else and take these along.

DROP SCHEMA … CASCADE names no table, TRUNCATE of a parent not its children: what a statement
destroys counts as its subject as well.
"""

from __future__ import annotations

from dbguard.sql.destruction import Destruction, Reach
from dbguard.sql.facts import ActionClass
from dbguard.sql.snapshot import Relation, RelationKind

from .model import Rule
from .verdict import Case

_OF_ROWS = frozenset({ActionClass.READ, ActionClass.WRITE})
_PARTS = frozenset({"policy", "rule", "trigger"})
"""Objects that nothing but their relation depends on."""


def takes_along(rule: Rule, case: Case) -> bool:
    """Whether a statement of the rule's actions may destroy what the rule is about.

    What CASCADE takes along is told by the catalog where tables are named; where anything else is,
    it may be whatever the rule is about. Statements that change rows are about those they name:
    what runs behind them is looked at as code.
    """
    found = case.facts.destroys
    if case.facts.action.action_class in _OF_ROWS:
        return False
    if rule.actions.isdisjoint(case.lasting_actions) or found.additive:
        return False
    if found.everything:
        return True
    if any(is_about(rule, case, r.oid, r.schema, r.name) for r in found.relations):
        return True
    extensions = any(o.kind == "extension" for o in found.objects)
    if found.reach <= Reach.OWNED and not (found.schemas or extensions):
        return False
    unsure = _goes_beyond_relations(case, found)
    reached = _reached(case, found)
    return any(
        (unsure or r.oid in reached) and is_about(rule, case, r.oid, r.schema, r.name)
        for r in case.bound.snapshot.relations
    )


def _goes_beyond_relations(case: Case, found: Destruction) -> bool:
    """Whether types, functions, sequences and the like go, on which columns of any table may
    depend."""
    snapshot, schemas = case.bound.snapshot, found.schemas
    if any(o.kind not in _PARTS and o.kind != "schema" for o in found.objects):
        return True
    named = (snapshot.relation_by_oid.get(relation.oid) for relation in found.relations)
    if any(r is None or r.kind is RelationKind.SEQUENCE for r in named):
        return True
    return any(f.schema in schemas for f in snapshot.functions) or any(
        t.schema in schemas for t in snapshot.types
    )


def is_about(rule: Rule, case: Case, oid: int, schema: str, name: str) -> bool:
    """Whether a relation as a whole is the rule's subject."""
    tags: set[str | None] = {None}
    if rule.data:
        tags = {tag for tags in case.bound.tag_sets_of(oid) for tag in tags}
    names = case.bound.names_of(oid, schema, name)
    return any(rule.about(tag, *named) for tag in tags for named in names)


def _reached(case: Case, found: Destruction) -> frozenset[int]:
    """Relations that go along, or lose something, with the tables that are named: children, views,
    and those whose foreign keys lead to them."""
    relations = case.bound.snapshot.relations
    reached = {relation.oid for relation in found.relations}
    reached |= {relation.oid for relation in relations if relation.schema in found.schemas}
    spread = bool(reached)
    while spread:
        spread = False
        for relation in relations:
            if relation.oid not in reached and not reached.isdisjoint(_below(case, relation)):
                reached.add(relation.oid)
                spread = True
    return frozenset(reached)


def _below(case: Case, relation: Relation) -> frozenset[int]:
    """What a relation hangs on."""
    targets = {oid for column in relation.columns for oid, _ in column.references}
    return frozenset({*targets, *relation.parents}) | case.bound.bases_of(relation.oid)
