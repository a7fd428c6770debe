"""CREATE TABLE: what it refers to, and the table as later statements of the text see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbguard.sql.facts import Action
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .catalog_changes import can_be_inherited, note_created
from .context import Context, strings
from .objects import note_contents, walk
from .outcome import Outcome
from .relation_names import named_relation, new_relation


def create_table(ctx: Context, fields: Node) -> Outcome:
    relation = fields["relation"]
    schema, name = new_relation(ctx, relation, Action.CREATE, "table")
    parents = []
    for node in (*fields.get("inhRelations", ()), *fields.get("tableElts", ())):
        if "RangeVar" in node:
            parents.append(named_relation(ctx, node["RangeVar"], Action.SELECT))
        elif "TableLikeClause" in node:
            named_relation(ctx, node["TableLikeClause"]["relation"], Action.SELECT)
    _note_foreign_keys(ctx, fields, (schema, name))
    # Partition keys are computed for every row, bounds as the table is made.
    parts = ("tableElts", "constraints", "partspec", "partbound")
    note_contents(ctx, [fields[part] for part in parts if part in fields])
    columns = _columns(fields, parents)
    if columns is None:
        ctx.names.alter(name)
    else:
        kind = RelationKind.PARTITIONED_TABLE if "partspec" in fields else RelationKind.TABLE
        above = tuple(p.oid for p in parents if p is not None)
        note_created(
            ctx,
            Relation(0, schema, name, kind, columns, parents=above),
            unless_there=bool(fields.get("if_not_exists")),
            parent="".join(p.name for p in parents if p is not None),
            passing=fields.get("oncommit") == "ONCOMMIT_DROP",
        )
    return Outcome(Action.CREATE)


def _note_foreign_keys(ctx: Context, fields: Node, own: tuple[str, str]) -> None:
    for node in walk(fields):
        target = node.get("pktable")
        if not isinstance(target, dict):
            continue
        if _is_itself(ctx, target, own):
            ctx.ledger.seen.add(("relation", target.get("location", 0)))
        else:
            named_relation(ctx, target, Action.ALTER)


def _is_itself(ctx: Context, target: Node, own: tuple[str, str]) -> bool:
    """Whether a foreign key's target is the table being made. The server looks its name up once
    the table is there: one that stands earlier in the path is found before it."""
    schema, name = own
    if target["relname"] != name:
        return False
    if "schemaname" in target:
        written: str = target["schemaname"]
        return written == schema or (written == "pg_temp" and schema.startswith("pg_temp_"))
    for candidate in ctx.names.path:
        if candidate == schema:
            return True
        if ctx.find_relation(candidate, name) is not None:
            return False
    return False


def _columns(fields: Node, parents: Sequence[Relation | None]) -> tuple[Column, ...] | None:
    """The table's columns, if they are all plain: a parent's, if there is one, and its own."""
    if len(parents) > 1 or "ofTypename" in fields:
        return None
    columns: list[Column] = []
    for parent in parents:
        if parent is None or not can_be_inherited(parent):
            return None
        columns += [replace(c, number=n) for n, c in enumerate(parent.columns, 1)]
    inherited = {c.name for c in columns}
    for node in fields.get("tableElts", ()):
        if "Constraint" in node:
            if _reaches_further(node["Constraint"]):
                return None
            continue
        if "ColumnDef" not in node:
            return None
        column = node["ColumnDef"]
        constraints = [n["Constraint"] for n in column.get("constraints", ())]
        if any(map(_reaches_further, constraints)) or column["colname"] in inherited:
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
