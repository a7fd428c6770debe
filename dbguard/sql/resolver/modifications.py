"""INSERT, UPDATE, DELETE and MERGE (analyze.c, parse_merge.c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbguard.sql.facts import Action, Use
from dbguard.sql.referee import Node
from dbguard.sql.sites import SiteRole
from dbguard.sql.snapshot import Relation, RelationKind

from .common_tables import with_clause
from .context import Context, run_new_code
from .expressions import expression
from .from_clause import from_clause, from_item, relation_item
from .scope import DerivedItem, Entry, RelationItem, Scope
from .settings_calls import note_unknown_setting
from .targets import target_list
from .values import EMPTY, NamedValue, Value, computed

ACTIONS: Mapping[str, Action] = {
    "InsertStmt": Action.INSERT,
    "UpdateStmt": Action.UPDATE,
    "DeleteStmt": Action.DELETE,
    "MergeStmt": Action.MERGE,
}


def modification(ctx: Context, tag: str, fields: Node, parent: Scope | None) -> list[NamedValue]:
    """A data-modifying statement; gives its RETURNING list.

    Raises:
        UndefinedName: a name in it does not exist.
    """
    action = ACTIONS.get(tag)
    if action is None:
        ctx.opaque(f"the construct {tag}")
        return []
    if parent is not None:
        ctx.ledger.nested.add(action)
    scope = Scope(parent)
    with_clause(ctx, fields, scope)
    if action is Action.INSERT:
        return _insert(ctx, fields, scope)
    if action is Action.UPDATE:
        return _update(ctx, fields, scope)
    if action is Action.DELETE:
        return _delete(ctx, fields, scope)
    return _merge(ctx, fields, scope)


def target_item(ctx: Context, fields: Node, action: Action, *, placed: bool = True) -> RelationItem:
    """The relation that is written; notes whether code behind it runs."""
    item = relation_item(ctx, fields, SiteRole.TARGET, action, placed=placed)
    if _runs_code(ctx, item.relation):
        ctx.ledger.runs_hidden_code = True
    run_new_code(ctx, item.relation)
    if (item.relation.schema, item.relation.name) == ("pg_catalog", "pg_settings"):
        note_unknown_setting(ctx)  # its rule calls set_config
    return item


def _runs_code(ctx: Context, relation: Relation) -> bool:
    """Triggers and rules, of partitions and inheritance children too; a view writes elsewhere."""
    if relation.has_triggers or relation.has_rules:
        return True
    if relation.kind is RelationKind.VIEW or relation.kind is RelationKind.FOREIGN_TABLE:
        return True
    return any(
        relation.oid in child.parents and _runs_code(ctx, child)
        for child in ctx.snapshot.relations
        if child.parents
    )


def _insert(ctx: Context, fields: Node, scope: Scope) -> list[NamedValue]:
    item = target_item(ctx, fields["relation"], Action.INSERT)
    columns = insert_columns(ctx, fields.get("cols"), item, scope)
    values: list[Value] = []
    if "selectStmt" in fields:
        values = [c.value for c in ctx.query(ctx, fields["selectStmt"], scope)]
    _write(ctx, item, columns, values)
    target = Scope(scope, entries=[Entry(item)])
    if "onConflictClause" in fields:
        _on_conflict(ctx, fields["onConflictClause"], item, columns, values, target)
    return _returning(ctx, fields, target, item)


def insert_columns(
    ctx: Context, nodes: Sequence[Node] | None, item: RelationItem, scope: Scope
) -> list[int]:
    """Attribute numbers of an INSERT's column list; without one, all that can be written."""
    if nodes is None:
        return [c.number for c in item.relation.columns if not c.generated]
    return [_target_column(ctx, n["ResTarget"], item, scope) for n in nodes]


def _target_column(ctx: Context, target: Node, item: RelationItem, scope: Scope) -> int:
    name = target["name"]
    for step in target.get("indirection", ()):
        if "A_Indices" in step:
            ctx.ledger.mark(expression(ctx, {"A_Indices": step["A_Indices"]}, scope), Use.COMPUTE)
    column = item.relation.column_by_name.get(name)
    if column is None:
        ctx.undefined(
            "42703",
            f'column "{name}" of relation "{item.relation.name}" does not exist',
            target.get("location", 0),
        )
    return column.number


def _write(
    ctx: Context, item: RelationItem, columns: Sequence[int], values: Sequence[Value]
) -> None:
    for i, number in enumerate(columns):
        value = values[i] if i < len(values) else EMPTY
        ctx.ledger.mark(value, Use.COMPUTE)
        ctx.ledger.flow(ctx.ledger.touch(item.site, number), value)


def _on_conflict(
    ctx: Context,
    fields: Node,
    item: RelationItem,
    columns: Sequence[int],
    values: Sequence[Value],
    target: Scope,
) -> None:
    infer = fields.get("infer", {})
    for node in infer.get("indexElems", ()):
        element = node["IndexElem"]
        if "name" in element:
            found = item.find(element["name"])
            if found is None:
                ctx.undefined(
                    "42703",
                    f'column "{element["name"]}" does not exist',
                    infer.get("location", 0),
                )
            ctx.ledger.mark(found, Use.PRESENCE)
        if "expr" in element:
            ctx.ledger.mark(expression(ctx, element["expr"], target), Use.FILTER)
    if "whereClause" in infer:
        ctx.ledger.mark(expression(ctx, infer["whereClause"], target), Use.FILTER)
    if fields.get("action") != "ONCONFLICT_UPDATE":
        return
    ctx.ledger.act(item.relation, Action.UPDATE)
    ctx.ledger.nested.add(Action.UPDATE)
    proposed = dict(zip(columns, values, strict=False))
    excluded = DerivedItem(
        "excluded",
        [NamedValue(c.name, proposed.get(c.number, EMPTY)) for c in item.relation.columns],
    )
    scope = Scope(target.parent, entries=[Entry(item), Entry(excluded, by_column=False)])
    _set_list(ctx, fields.get("targetList", ()), item, scope)
    if "whereClause" in fields:
        ctx.ledger.mark(expression(ctx, fields["whereClause"], scope), Use.FILTER)


def _set_list(ctx: Context, nodes: Sequence[Node], item: RelationItem, scope: Scope) -> None:
    """SET a = …, (b, c) = …: the tree repeats the source of a row for each of its columns."""
    row: list[Value] = []
    for node in nodes:
        target = node["ResTarget"]
        number = _target_column(ctx, target, item, scope)
        source = target["val"]
        if "MultiAssignRef" not in source:
            _write(ctx, item, [number], [expression(ctx, source, scope)])
            continue
        reference = source["MultiAssignRef"]
        position = reference.get("colno", 1)
        if position == 1:
            row = _row_source(ctx, reference["source"], scope)
        _write(ctx, item, [number], row[position - 1 : position] or [computed(row)])


def _row_source(ctx: Context, source: Node, scope: Scope) -> list[Value]:
    if "RowExpr" in source:
        return [expression(ctx, n, scope) for n in source["RowExpr"].get("args", ())]
    if "SubLink" in source:
        return [c.value for c in ctx.query(ctx, source["SubLink"]["subselect"], scope)]
    return [expression(ctx, source, scope)]


def _update(ctx: Context, fields: Node, scope: Scope) -> list[NamedValue]:
    item = target_item(ctx, fields["relation"], Action.UPDATE)
    _read_from(ctx, fields.get("fromClause", ()), scope, item)
    _where(ctx, fields, scope)
    returned = _returning(ctx, fields, scope, item)
    _set_list(ctx, fields.get("targetList", ()), item, scope)  # last, as transformUpdateStmt does
    return returned


def _delete(ctx: Context, fields: Node, scope: Scope) -> list[NamedValue]:
    item = target_item(ctx, fields["relation"], Action.DELETE)
    _read_from(ctx, fields.get("usingClause", ()), scope, item)
    _where(ctx, fields, scope)
    return _returning(ctx, fields, scope, item)


def _read_from(ctx: Context, nodes: Sequence[Node], scope: Scope, item: RelationItem) -> None:
    """FROM of UPDATE and USING of DELETE: the target is not visible inside, then first."""
    from_clause(ctx, nodes, scope)
    scope.entries = [Entry(item), *scope.entries]
    scope.known.append(item)


def _where(ctx: Context, fields: Node, scope: Scope) -> None:
    where = fields.get("whereClause")
    if where is None or is_constant(where):
        ctx.ledger.has_where = False
    if where is not None:
        ctx.ledger.mark(expression(ctx, where, scope), Use.FILTER)


def is_constant(node: object) -> bool:
    """Whether a condition cannot differ from row to row: it names no column and no cursor."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, dict):
            if current.keys() & {"ColumnRef", "SubLink", "CurrentOfExpr"}:
                return False
            todo.extend(current.values())
    return True


def _merge(ctx: Context, fields: Node, scope: Scope) -> list[NamedValue]:
    item = target_item(ctx, fields["relation"], Action.MERGE)
    source = from_item(ctx, fields["sourceRelation"], scope)
    own = Scope(scope.parent, common=scope.common)
    both = [Entry(item), *source]
    joined = Scope(scope.parent, entries=both, common=scope.common)
    ctx.ledger.mark(expression(ctx, fields["joinCondition"], joined), Use.JOIN)
    for node in fields.get("mergeWhenClauses", ()):
        clause = node["MergeWhenClause"]
        visible = {
            "MERGE_WHEN_NOT_MATCHED_BY_TARGET": source,
            "MERGE_WHEN_NOT_MATCHED_BY_SOURCE": [Entry(item)],
        }.get(clause.get("matchKind", "MERGE_WHEN_MATCHED"), both)
        near = [e.item for e in both]
        inner = Scope(scope.parent, entries=visible, common=scope.common, known=near)
        if "condition" in clause:
            ctx.ledger.mark(expression(ctx, clause["condition"], inner), Use.FILTER)
        command = clause.get("commandType")
        if command == "CMD_UPDATE":
            ctx.ledger.nested.add(Action.UPDATE)
            _set_list(ctx, clause.get("targetList", ()), item, inner)
        elif command == "CMD_INSERT":
            ctx.ledger.nested.add(Action.INSERT)
            columns = insert_columns(ctx, clause.get("targetList"), item, own)
            values = [expression(ctx, n, inner) for n in clause.get("values", ())]
            _write(ctx, item, columns, values)
        elif command == "CMD_DELETE":
            ctx.ledger.nested.add(Action.DELETE)
    return _returning(ctx, fields, joined, item, source_first=True)


def _returning(
    ctx: Context, fields: Node, scope: Scope, item: RelationItem, *, source_first: bool = False
) -> list[NamedValue]:
    """RETURNING, with `old` and `new` or the names that WITH (OLD AS …) gives them."""
    clause = fields.get("returningClause")
    if not clause:
        return []
    names = {"RETURNING_OPTION_OLD": "old", "RETURNING_OPTION_NEW": "new"}
    for node in clause.get("options", ()):
        option = node["ReturningOption"]
        names[option.get("option", "RETURNING_OPTION_OLD")] = option["value"]
    taken = {e.item.name for e in scope.entries}
    entries = list(scope.entries)
    if source_first:
        entries = [*entries[1:], entries[0]]
    versions = names.values() if ctx.snapshot.server_version >= 180_000 else ()
    for name in versions:
        if name not in taken:
            version = RelationItem(ctx.ledger, item.relation, item.site, name)
            entries.append(Entry(version, by_column=False))
    own = Scope(scope.parent, entries=entries, common=scope.common)
    return target_list(ctx, clause.get("exprs", ()), own)
