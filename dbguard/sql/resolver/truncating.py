"""TRUNCATE: the tables it names, and those that CASCADE adds."""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.sql.changes import lasting_oid
from dbguard.sql.facts import Action
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import RULE, Relation

from .context import Context, run_new_code
from .outcome import Outcome
from .relation_names import named_relation


def truncate(ctx: Context, fields: Node) -> Outcome:
    found = [named_relation(ctx, node["RangeVar"], Action.TRUNCATE) for node in fields["relations"]]
    emptied = [relation for relation in found if relation is not None]
    if fields.get("behavior") == "DROP_CASCADE":
        first = b";" not in ctx.raw[: ctx.extent[0]]
        if not first or any(lasting_oid(relation.oid) <= 0 for relation in emptied):
            ctx.opaque("TRUNCATE CASCADE")  # there may be foreign keys that no catalog shows yet
        emptied = _with_what_refers(ctx, emptied)
    for relation in emptied:
        ctx.ledger.act(relation, Action.TRUNCATE)
        run_new_code(ctx, relation)
        if relation.has_triggers:
            ctx.ledger.runs_hidden_code = True
            ctx.ledger.run_hidden(
                oid
                for oid in relation.write_code
                if oid != RULE and ctx.snapshot.function_by_oid[oid].result == "trigger"
            )
    return Outcome(Action.TRUNCATE)


def _with_what_refers(ctx: Context, named: Sequence[Relation]) -> list[Relation]:
    """These, their children, what refers to any of them by a foreign key, and so on
    (heap_truncate_find_FKs in PostgreSQL's heap.c)."""
    reached = {relation.oid: relation for relation in named}
    spread = True
    while spread:
        spread = False
        for relation in ctx.snapshot.relations:
            if relation.oid in reached:
                continue
            targets = {oid for column in relation.columns for oid, _ in column.references}
            if not reached.keys().isdisjoint({*targets, *relation.parents}):
                reached[relation.oid] = relation
                spread = True
    return list(reached.values())
