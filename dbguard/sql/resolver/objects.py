"""DDL: which objects and relations a CREATE, ALTER, DROP or COMMENT names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dbguard.sql.changes import CatalogChange, Move
from dbguard.sql.facts import Action, ColumnName
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .calls import note_call
from .catalog_changes import (
    altered_columns,
    catalog_change,
    has_children,
    known_changes,
    note_created,
)
from .context import Context, strings
from .name_offsets import relation_offsets
from .outcome import Handler, Outcome
from .relation_names import (
    named_relation,
    new_relation,
    object_parts,
    relation_by_parts,
    role_name,
)
from .type_names import note_operator, note_operators, note_type
from .values import Value

_RELATION_KINDS = frozenset(["table", "view", "matview", "sequence", "foreign_table"])
_ON_RELATION = frozenset(["policy", "rule", "trigger", "tabconstraint", "column"])
"""Objects named together with their relation: the object's own name comes last."""


def kind_name(fields: Node, name: str) -> str:
    """An ObjectType field as a lower-case word; libpg_query leaves none out."""
    word: str = fields.get(name, "object").removeprefix("OBJECT_").lower()
    return word


def walk(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping below `node`, itself included."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, dict):
            yield current
            todo.extend(current.values())


def note_contents(ctx: Context, nodes: Iterable[Any]) -> None:
    """Functions, operators, types and referenced relations inside a definition."""
    for node in walk(list(nodes)):
        if "FuncCall" in node:
            call = node["FuncCall"]
            note_call(
                ctx, strings(call["funcname"]), len(call.get("args", ())), call.get("location", 0)
            )
        elif "A_Expr" in node:
            note_operators(ctx, node["A_Expr"])
        elif "exclusions" in node:
            for item in node["exclusions"]:
                note_operator(ctx, strings(item["List"]["items"][1]["List"]["items"]), 0)
        elif "typeName" in node and isinstance(node["typeName"], dict):
            note_type(ctx, node["typeName"])


_MEANING_KINDS = frozenset(
    {
        "aggregate",
        "cast",
        "domain",
        "extension",
        "function",
        "opclass",
        "operator",
        "opfamily",
        "procedure",
        "role",
        "routine",
        "rule",
        "schema",
        "type",
    }
)
"""Objects whose change can give the same words another meaning."""


def create_index(ctx: Context, fields: Node) -> Outcome:
    named_relation(ctx, fields["relation"], Action.CREATE)
    note_contents(ctx, [fields.get("indexParams", []), fields.get("whereClause", {})])
    if "idxname" in fields:
        ctx.ledger.object("index", None, fields["idxname"])
    known_changes(ctx)
    return Outcome(Action.CREATE)


_SEQUENCE_COLUMNS = (
    Column(1, "last_value", "bigint", "bigint", "N"),
    Column(2, "log_cnt", "bigint", "bigint", "N"),
    Column(3, "is_called", "boolean", "boolean", "B"),
)


def create_sequence(ctx: Context, fields: Node) -> Outcome:
    schema, name = new_relation(ctx, fields["sequence"], Action.CREATE, "sequence")
    made = Relation(0, schema, name, RelationKind.SEQUENCE, _SEQUENCE_COLUMNS)
    note_created(ctx, made, unless_there=bool(fields.get("if_not_exists")))
    return Outcome(Action.CREATE)


def create_schema(ctx: Context, fields: Node) -> Outcome:
    owner = role_name(fields["authrole"]) if "authrole" in fields else ""
    ctx.ledger.object("schema", None, fields.get("schemaname", owner))
    catalog_change(ctx, code=True)
    outcomes = {"CreateStmt", "ViewStmt", "IndexStmt", "CreateSeqStmt"}
    for node in fields.get("schemaElts", ()):
        ((tag, _),) = node.items()
        if tag in outcomes:
            ctx.ledger.nested.add(Action.CREATE)
        ctx.opaque("CREATE SCHEMA with elements")
    return Outcome(Action.CREATE)


def create_foreign_table(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.object("foreign_server", None, fields.get("servername", ""))
    new_relation(
        ctx,
        fields["base"]["relation"] if "base" in fields else fields["base_stmt"]["relation"],
        Action.CREATE,
        "foreign table",
    )
    catalog_change(ctx)
    return Outcome(Action.CREATE)


def composite_type(ctx: Context, fields: Node) -> Outcome:
    variable = fields["typevar"]
    ctx.ledger.object("type", variable.get("schemaname"), variable["relname"])
    catalog_change(ctx)
    return Outcome(Action.CREATE)


def named(action: Action, kind: str, *names: str) -> Handler:
    """A statement about one object whose name is in one of the fields `names`."""

    def handle(ctx: Context, fields: Node) -> Outcome:
        for name in names:
            if name in fields:
                note_object(ctx, kind, fields[name])
        for relation in _relations_below(fields):
            named_relation(ctx, relation, action, missing_ok=bool(fields.get("missing_ok")))
        note_contents(ctx, [fields])
        catalog_change(ctx, code=kind in _MEANING_KINDS)
        return Outcome(action)

    return handle


def note_object(ctx: Context, kind: str, value: Any) -> None:
    """Note an object by a name in any of the grammar's forms."""
    if isinstance(value, str):
        ctx.ledger.object(kind, None, value)
        return
    if isinstance(value, list):
        parts = strings(value)
    elif "objname" in value:
        parts = strings(value["objname"])
    elif "names" in value:
        parts = strings(value["names"])
    elif "relname" in value:
        parts = [p for p in (value.get("schemaname"), value["relname"]) if p]
    elif "roletype" in value:
        parts = [role_name(value)]
    else:
        parts = object_parts(value)
    if parts:
        ctx.ledger.object(kind, parts[-2] if len(parts) > 1 else None, parts[-1])


def _relations_below(fields: Node) -> Iterator[Node]:
    for node in walk(fields):
        if "relname" in node and "relpersistence" in node:
            yield node


def _note_retyped(ctx: Context, relation: Relation, commands: Iterable[Node]) -> None:
    """ALTER COLUMN TYPE … USING: values of the row go into the column."""
    site = len(ctx.ledger.mentions) - 1
    for command in commands:
        target = relation.column_by_name.get(command.get("name", ""))
        if command.get("subtype") != "AT_AlterColumnType" or target is None:
            continue
        using = command["def"].get("ColumnDef", {}).get("raw_default", {})
        named = [n["ColumnRef"]["fields"][-1] for n in walk(using) if "ColumnRef" in n]
        keys = {
            (site, column.number)
            for name in named
            for column in relation.columns
            # a star or the table's own name stands for the whole row
            if column.name == name.get("String", {}).get("sval")
            or name.get("String", {}).get("sval") not in relation.column_by_name
        }
        name = ColumnName(relation.oid, target.number, relation.schema, relation.name, target.name)
        ctx.ledger.fill(name, Value(computed=frozenset(keys - {(site, target.number)})))


def alter_table(ctx: Context, fields: Node) -> Outcome:
    commands = [n["AlterTableCmd"] for n in fields.get("cmds", ())]
    kinds = {c.get("subtype", "") for c in commands}
    action = Action.ALTER
    if kinds & {
        "AT_EnableRowSecurity",
        "AT_DisableRowSecurity",
        "AT_ForceRowSecurity",
        "AT_NoForceRowSecurity",
    }:
        action = Action.POLICY
    if "AT_ChangeOwner" in kinds:
        if action is Action.POLICY:
            ctx.ledger.nested.add(Action.POLICY)
        action = Action.ROLE
    if action is not Action.ALTER and len(kinds) > 1:
        ctx.ledger.nested.add(Action.ALTER)
    kind = kind_name(fields, "objtype")
    altered: Relation | None = None
    if kind in ("type", "index"):
        note_object(ctx, kind, fields["relation"])
    else:
        altered = named_relation(
            ctx, fields["relation"], action, missing_ok=bool(fields.get("missing_ok"))
        )
        if altered is not None:
            _note_retyped(ctx, altered, commands)
    for command in commands:
        if "newowner" in command:
            ctx.ledger.object("role", None, role_name(command["newowner"]))
        definition = command.get("def", {})
        for node in _relations_below(definition) if kind != "index" else ():
            named_relation(ctx, node, Action.ALTER)
        note_contents(ctx, [definition])
    changes = altered_columns(ctx, altered, commands) if altered is not None else None
    if changes is not None and kind == "table":
        known_changes(ctx, *changes)
        if altered is not None and altered.oid > 0:
            ctx.names.alter(altered.name)
    else:
        catalog_change(ctx, fields["relation"]["relname"])
    return Outcome(action)


def drop(ctx: Context, fields: Node) -> Outcome:
    kind = kind_name(fields, "removeType")
    missing_ok = bool(fields.get("missing_ok"))
    nodes = fields.get("objects", [])
    starts = _starts(ctx, kind, len(nodes))
    certain = kind in _RELATION_KINDS and fields.get("behavior") != "DROP_CASCADE"
    for node, start in zip(nodes, starts, strict=True):
        found = note_target(ctx, kind, node, Action.DROP, start, missing_ok=missing_ok)
        if kind == "index" or (certain and (found is None or not has_children(ctx, found))):
            known_changes(ctx, *([CatalogChange(found.schema, found.name)] if found else []))
            continue
        catalog_change(ctx, *object_parts(node), code=kind in _MEANING_KINDS)
    return Outcome(Action.POLICY if kind == "policy" else Action.DROP)


_DROPPED = {
    "table": "table",
    "view": "view",
    "matview": "materialized view",
    "sequence": "sequence",
    "foreign_table": "foreign table",
}
"""What DROP's error calls a relation (dropmsgstrings in tablecmds.c)."""


def _starts(ctx: Context, kind: str, count: int) -> list[int | None]:
    if kind in _RELATION_KINDS or kind in _ON_RELATION:
        return relation_offsets(ctx, kind, count)
    return [None] * count


def note_target(
    ctx: Context,
    kind: str,
    node: Node,
    action: Action,
    start: int | None,
    *,
    missing_ok: bool = False,
) -> Relation | None:
    """Note the object of DROP, COMMENT or SECURITY LABEL; gives it when it is a relation."""
    parts = object_parts(node)
    if not parts:
        return None
    if kind in _RELATION_KINDS:
        word = _DROPPED.get(kind, "relation") if action is Action.DROP else "relation"
        return relation_by_parts(ctx, parts, action, word, start=start, missing_ok=missing_ok)
    if kind in _ON_RELATION and len(parts) > 1:
        on = parts[:-1]
        relation_by_parts(ctx, on, action, "relation", start=start, missing_ok=missing_ok)
        ctx.ledger.object(kind, None, parts[-1])
    elif kind in ("cast", "transform", "opclass", "opfamily"):
        ctx.ledger.object(kind, None, ".".join(parts))
    else:
        ctx.ledger.object(kind, parts[-2] if len(parts) > 1 else None, parts[-1])
    return None


def comment(action: Action) -> Handler:
    def handle(ctx: Context, fields: Node) -> Outcome:
        kind = kind_name(fields, "objtype")
        (start,) = _starts(ctx, kind, 1)
        note_target(ctx, kind, fields["object"], action, start)
        known_changes(ctx)
        return Outcome(action)

    return handle


def _may_be_index(ctx: Context, fields: Node) -> bool:
    """ALTER TABLE … RENAME takes indexes as well, which the snapshot does not hold."""
    relation = fields["relation"]
    unknown = ctx.find_relation(relation.get("schemaname"), relation["relname"]) is None
    return unknown and not fields.get("missing_ok")


def _note_index(ctx: Context, relation: Node) -> None:
    note_object(ctx, "index", relation)
    ctx.opaque("ALTER TABLE of something that is no table", relation)


def rename(ctx: Context, fields: Node) -> Outcome:
    kind = kind_name(fields, "renameType")
    if kind in ("attribute", "type", "index") and "relation" in fields:
        note_object(ctx, "index" if kind == "index" else "type", fields["relation"])
    elif kind == "table" and _may_be_index(ctx, fields):
        _note_index(ctx, fields["relation"])
        _note_move(ctx, fields["relation"], None, "", fields.get("newname", ""))
    elif "relation" in fields:
        found = named_relation(
            ctx, fields["relation"], Action.RENAME, missing_ok=bool(fields.get("missing_ok"))
        )
        if kind not in ("column", "attribute"):
            _note_move(ctx, fields["relation"], found, "", fields.get("newname", ""))
    elif "object" in fields:
        note_object(ctx, kind, fields["object"])
    elif "subname" in fields:
        ctx.ledger.object(kind, None, fields["subname"])
        if kind == "schema":
            move = Move(fields["subname"], "", fields.get("newname", ""), "")
            ctx.ledger.moves.append(move)
    old = fields.get("relation", {}).get("relname", "")
    code = kind in _MEANING_KINDS or kind in ("attribute", "column")
    catalog_change(ctx, old, fields.get("newname", ""), code=code)
    return Outcome({"role": Action.ROLE, "policy": Action.POLICY}.get(kind, Action.RENAME))


def _note_move(ctx: Context, named: Node, found: Relation | None, schema: str, name: str) -> None:
    """The relation may not be found because an earlier statement of the text made it."""
    before = found.schema if found is not None else named.get("schemaname", "")
    ctx.ledger.moves.append(Move(before, named["relname"], schema, name))


def object_statement(action: Action) -> Handler:
    """ALTER … SET SCHEMA, OWNER TO, DEPENDS ON EXTENSION: a relation or an object."""

    def handle(ctx: Context, fields: Node) -> Outcome:
        kind = kind_name(fields, "objectType")
        if "relation" in fields and kind not in ("type", "index"):
            found = named_relation(
                ctx, fields["relation"], action, missing_ok=bool(fields.get("missing_ok"))
            )
            if "newschema" in fields:
                _note_move(ctx, fields["relation"], found, fields["newschema"], "")
        elif "relation" in fields or "object" in fields:
            note_object(ctx, kind, fields.get("object") or fields["relation"])
        if "newschema" in fields:
            ctx.ledger.object("schema", None, fields["newschema"])
        if "newowner" in fields:
            ctx.ledger.object("role", None, role_name(fields["newowner"]))
        name = fields.get("relation", {}).get("relname", "")
        catalog_change(ctx, name, code=kind in _MEANING_KINDS)
        return Outcome(action)

    return handle


def define(ctx: Context, fields: Node) -> Outcome:
    kind = kind_name(fields, "kind")
    note_object(ctx, kind, fields.get("defnames", []))
    code = kind in ("aggregate", "operator", "type")
    catalog_change(ctx, code=code)
    return Outcome(Action.CREATE_FUNCTION if code else Action.CREATE)


def import_schema(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.object("foreign_server", None, fields.get("server_name", ""))
    ctx.ledger.object("schema", None, fields.get("local_schema", ""))
    catalog_change(ctx, code=True)
    return Outcome(Action.IMPORT)
