"""CREATE TABLE: what it refers to, and the table as later statements of the text see it."""

from __future__ import annotations

from dbguard.sql.facts import Action
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .context import Context, strings
from .objects import note_contents, walk
from .outcome import Outcome
from .relation_names import named_relation, new_relation


def create_table(ctx: Context, fields: Node) -> Outcome:
    was_changed = ctx.names.changed
    relation = fields["relation"]
    schema, name = new_relation(ctx, relation, Action.CREATE, "table")
    simulated = _simulated(ctx, fields, schema, name)
    for node in (*fields.get("inhRelations", ()), *fields.get("tableElts", ())):
        if "RangeVar" in node:
            named_relation(ctx, node["RangeVar"], Action.SELECT)
        elif "TableLikeClause" in node:
            named_relation(ctx, node["TableLikeClause"]["relation"], Action.SELECT)
    _note_foreign_keys(ctx, fields, (schema, name))
    note_contents(ctx, [fields.get("tableElts", []), fields.get("constraints", [])])
    if simulated is None:
        ctx.names.alter(name)
    else:
        ctx.names.changed = was_changed
        ctx.names.created[schema, name] = simulated
    return Outcome(Action.CREATE)


def _note_foreign_keys(ctx: Context, fields: Node, own: tuple[str, str] | None) -> None:
    for node in walk(fields):
        if isinstance(node.get("pktable"), dict):
            target = node["pktable"]
            if own is not None and target["relname"] == own[1] and "schemaname" not in target:
                continue
            named_relation(ctx, target, Action.ALTER)


def _simulated(ctx: Context, fields: Node, schema: str, name: str) -> Relation | None:
    """The table as later statements of the same text see it, if its columns are all plain."""
    columns: list[Column] = []
    if fields.keys() & {"inhRelations", "ofTypename", "partbound", "if_not_exists"}:
        return None
    if (schema, name) in ctx.snapshot.relation_by_name:
        return None
    for node in fields.get("tableElts", ()):
        if "Constraint" in node:
            continue
        if "ColumnDef" not in node:
            return None
        column = node["ColumnDef"]
        kinds = [n["Constraint"].get("contype") for n in column.get("constraints", ())]
        type_name = ".".join(strings(column["typeName"].get("names")))
        columns.append(
            Column(
                len(columns) + 1,
                column["colname"],
                type_name,
                type_name,
                "U",
                generated="CONSTR_GENERATED" in kinds,
            )
        )
    number = -1 - len(ctx.names.created)
    return Relation(number, schema, name, RelationKind.TABLE, tuple(columns))
