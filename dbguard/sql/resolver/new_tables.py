"""CREATE TABLE: what it refers to, and the table as later statements of the text see it."""

from __future__ import annotations

from dbguard.sql.facts import Action
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .catalog_changes import note_created
from .context import Context, strings
from .objects import note_contents, walk
from .outcome import Outcome
from .relation_names import named_relation, new_relation


def create_table(ctx: Context, fields: Node) -> Outcome:
    relation = fields["relation"]
    schema, name = new_relation(ctx, relation, Action.CREATE, "table")
    for node in (*fields.get("inhRelations", ()), *fields.get("tableElts", ())):
        if "RangeVar" in node:
            named_relation(ctx, node["RangeVar"], Action.SELECT)
        elif "TableLikeClause" in node:
            named_relation(ctx, node["TableLikeClause"]["relation"], Action.SELECT)
    _note_foreign_keys(ctx, fields, (schema, name))
    # Partition keys are computed for every row, bounds as the table is made.
    parts = ("tableElts", "constraints", "partspec", "partbound")
    note_contents(ctx, [fields[part] for part in parts if part in fields])
    columns = _columns(fields)
    if columns is None:
        ctx.names.alter(name)
    else:
        made = Relation(0, schema, name, RelationKind.TABLE, columns)
        note_created(ctx, made, unless_there=bool(fields.get("if_not_exists")))
    return Outcome(Action.CREATE)


def _note_foreign_keys(ctx: Context, fields: Node, own: tuple[str, str] | None) -> None:
    for node in walk(fields):
        if isinstance(node.get("pktable"), dict):
            target = node["pktable"]
            if own is not None and target["relname"] == own[1] and "schemaname" not in target:
                continue
            named_relation(ctx, target, Action.ALTER)


def _columns(fields: Node) -> tuple[Column, ...] | None:
    """The table's columns, if they are all plain."""
    columns: list[Column] = []
    if fields.keys() & {"inhRelations", "ofTypename", "partbound", "partspec"}:
        return None
    for node in fields.get("tableElts", ()):
        if "Constraint" in node:
            if _reaches_further(node["Constraint"]):
                return None
            continue
        if "ColumnDef" not in node:
            return None
        column = node["ColumnDef"]
        constraints = [n["Constraint"] for n in column.get("constraints", ())]
        if any(map(_reaches_further, constraints)):
            return None
        type_name = ".".join(strings(column["typeName"].get("names")))
        columns.append(
            Column(
                len(columns) + 1,
                column["colname"],
                type_name,
                type_name,
                "U",
                generated="CONSTR_GENERATED" in {c.get("contype") for c in constraints},
            )
        )
    return tuple(columns)


def _reaches_further(constraint: Node) -> bool:
    """A foreign key that changes rows in passing: what runs behind them runs behind its target."""
    actions = {constraint.get(name, "a") for name in ("fk_upd_action", "fk_del_action")}
    return bool(actions - {"a", "r"})
