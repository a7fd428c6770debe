"""SELECT, VALUES, set operations and WITH (analyze.c, parse_cte.c, parse_clause.c)."""

from __future__ import annotations

from dataclasses import replace

from dbguard.errors import UndefinedName
from dbguard.sql.facts import Use
from dbguard.sql.referee import Node

from .columns import find_here
from .common_tables import with_clause
from .context import Context, strings
from .expressions import expression, note_sort_operator, window
from .from_clause import from_clause
from .grouping import GroupItems, note_group_dependency
from .modifications import modification
from .scope import RelationItem, Scope
from .targets import target_list
from .type_names import note_operator
from .values import EMPTY, Key, NamedValue, Value, either

Columns = list[NamedValue]


def query(ctx: Context, node: Node, parent: Scope | None) -> Columns:
    """The columns of a tagged query; a data-modifying one gives its RETURNING list.

    Raises:
        UndefinedName: a name in it does not exist.
    """
    ((tag, fields),) = node.items()
    if tag == "SelectStmt":
        return select(ctx, fields, parent)
    return modification(ctx, tag, fields, parent)


def select(ctx: Context, fields: Node, parent: Scope | None) -> Columns:
    """A SelectStmt's columns."""
    scope = Scope(parent)
    with_clause(ctx, fields, scope)
    if "intoClause" in fields and parent is not None:
        ctx.opaque("SELECT INTO inside a query")
    if fields.get("op", "SETOP_NONE") != "SETOP_NONE":
        columns = _set_operation(ctx, fields, scope)
    elif "valuesLists" in fields:
        columns = values_lists(ctx, fields["valuesLists"], scope)
        _sort_by_output(ctx, fields, scope, columns)
    else:
        return _plain_select(ctx, fields, scope)
    _limit(ctx, fields, scope)
    _locking(ctx, fields, None)
    return columns


def _set_operation(ctx: Context, fields: Node, scope: Scope) -> Columns:
    """UNION, INTERSECT, EXCEPT; a left-deep chain is walked in a loop."""
    pending: list[tuple[Node, bool]] = []
    current = fields
    while True:
        compares = not (current.get("op") == "SETOP_UNION" and current.get("all"))
        pending.append((current["rarg"], compares))
        left = current["larg"]
        simple = not left.keys() & {"withClause", "sortClause", "limitCount", "limitOffset"}
        if left.get("op", "SETOP_NONE") == "SETOP_NONE" or not simple or "lockingClause" in left:
            break
        current = left
    columns = select(ctx, left, scope)
    for right, compares in reversed(pending):
        others = select(ctx, right, scope)
        if len(others) != len(columns):
            raise UndefinedName("42601", "each UNION query must have the same number of columns")
        if compares:
            note_operator(ctx, ["="], 0)
            ctx.ledger.mark_all([c.value for c in (*columns, *others)], Use.GROUP)
        columns = [
            NamedValue(c.name, either(c.value, o.value))
            for c, o in zip(columns, others, strict=True)
        ]
    _sort_by_output(ctx, fields, scope, columns)
    return columns


def values_lists(ctx: Context, lists: list[Node], scope: Scope) -> Columns:
    """VALUES: columns `column1`, `column2`, …"""
    columns: list[Value] = []
    for i, row in enumerate(lists):
        values = [expression(ctx, n, scope) for n in row["List"].get("items", ())]
        if i == 0:
            columns = [replace(v, origin=None) for v in values]
        else:
            columns = [
                either(c, v) if v is not EMPTY or c is not EMPTY else EMPTY
                for c, v in zip(columns, values, strict=False)
            ]
    return [NamedValue(f"column{i + 1}", v) for i, v in enumerate(columns)]


def _sort_by_output(ctx: Context, fields: Node, scope: Scope, columns: Columns) -> None:
    """ORDER BY of a set operation or VALUES: output names and ordinals."""
    own = Scope(scope)
    for node in fields.get("sortClause", ()):
        sort = node["SortBy"]
        note_sort_operator(ctx, sort)
        found = _by_output(ctx, sort["node"], columns, None)
        ctx.ledger.mark(
            found if found is not None else expression(ctx, sort["node"], own), Use.SORT
        )


def _by_output(
    ctx: Context, node: Node, columns: Columns, group_scope: Scope | None
) -> Value | None:
    """The output column that an item of ORDER BY, GROUP BY or DISTINCT ON names by ordinal or
    name (findTargetlistEntrySQL92); in GROUP BY a column of FROM goes first."""
    if "A_Const" in node and "ival" in node["A_Const"]:
        position: int = node["A_Const"]["ival"].get("ival", 0)
        if 1 <= position <= len(columns):
            return columns[position - 1].value
        return None
    if "ColumnRef" not in node:
        return None
    parts = strings(node["ColumnRef"]["fields"])
    if len(parts) != 1 or len(node["ColumnRef"]["fields"]) != 1:
        return None
    if group_scope is not None and find_here(group_scope, parts[0]):
        return None
    found = [c.value for c in columns if c.name == parts[0]]
    if not found:
        return None
    ctx.ledger.seen.add(("column", node["ColumnRef"].get("location", 0)))
    value = found[0]
    for other in found[1:]:
        value = either(value, other) if other != value else value
    return value


def _plain_select(ctx: Context, fields: Node, scope: Scope) -> Columns:
    ledger = ctx.ledger
    from_clause(ctx, fields.get("fromClause", ()), scope)
    grouped = "groupClause" in fields
    named: set[Key] = set()
    if grouped:
        ledger.ungrouped.append(named)
    columns = target_list(ctx, fields.get("targetList", ()), scope)
    if grouped:
        ledger.ungrouped.pop()
    if "whereClause" in fields:
        ledger.mark(expression(ctx, fields["whereClause"], scope), Use.FILTER)
    if grouped:
        ledger.ungrouped.append(named)
    if "havingClause" in fields:
        ledger.mark(expression(ctx, fields["havingClause"], scope), Use.FILTER)
    for node in fields.get("sortClause", ()):
        sort = node["SortBy"]
        note_sort_operator(ctx, sort)
        found = _by_output(ctx, sort["node"], columns, None)
        ledger.mark(found if found is not None else expression(ctx, sort["node"], scope), Use.SORT)
    for node in fields.get("windowClause", ()):
        window(ctx, node["WindowDef"], scope)
    if grouped:
        ledger.ungrouped.pop()
        _group(ctx, fields, scope, columns, named)
    _distinct(ctx, fields, scope, columns)
    _limit(ctx, fields, scope)
    _locking(ctx, fields, scope)
    return columns


def _group(ctx: Context, fields: Node, scope: Scope, columns: Columns, named: set[Key]) -> None:
    items = GroupItems()
    for node in fields["groupClause"]:
        _group_item(ctx, node, scope, columns, items)
    note_group_dependency(ctx, fields, scope, items, named)


def _group_item(
    ctx: Context, node: Node, scope: Scope, columns: Columns, items: GroupItems
) -> None:
    if "GroupingSet" in node:
        items.sets = True
        for child in node["GroupingSet"].get("content", ()):
            _group_item(ctx, child, scope, columns, items)
        return
    if "RowExpr" in node and node["RowExpr"].get("row_format") == "COERCE_IMPLICIT_CAST":
        for child in node["RowExpr"].get("args", ()):
            _group_item(ctx, child, scope, columns, items)
        return
    note_operator(ctx, ["="], 0)
    found = _by_output(ctx, node, columns, scope)
    value = found if found is not None else expression(ctx, node, scope)
    if value.origin is not None:
        items.keys.add(value.origin)
    ctx.ledger.mark(value, Use.GROUP)


def _distinct(ctx: Context, fields: Node, scope: Scope, columns: Columns) -> None:
    if "distinctClause" not in fields:
        return
    note_operator(ctx, ["="], 0)
    nodes = [n for n in fields["distinctClause"] if n]
    if not nodes:
        ctx.ledger.mark_all([c.value for c in columns], Use.GROUP)
    for node in nodes:
        found = _by_output(ctx, node, columns, None)
        ctx.ledger.mark(found if found is not None else expression(ctx, node, scope), Use.GROUP)


def _limit(ctx: Context, fields: Node, scope: Scope) -> None:
    for name in ("limitOffset", "limitCount"):
        if name in fields:
            ctx.ledger.mark(
                expression(ctx, fields[name], Scope(scope.parent, common=scope.common)), Use.FILTER
            )


_STRENGTHS = {
    "LCS_FORKEYSHARE": "FOR KEY SHARE",
    "LCS_FORSHARE": "FOR SHARE",
    "LCS_FORNOKEYUPDATE": "FOR NO KEY UPDATE",
}


def _locking(ctx: Context, fields: Node, scope: Scope | None) -> None:
    if "lockingClause" in fields:
        ctx.ledger.locks_rows = True
        for node in fields["lockingClause"]:
            for locked in node["LockingClause"].get("lockedRels", ()):
                # names an alias of FROM, not a relation
                location = locked["RangeVar"].get("location", 0)
                name = locked["RangeVar"]["relname"]
                ctx.ledger.seen.add(("relation", location))
                for item in scope.known if scope is not None else ():
                    if isinstance(item, RelationItem) and item.name == name:
                        ctx.ledger.whole_rows.append((item.site, location))
                if scope is not None and all(i.name != name for i in scope.known):
                    strength = _STRENGTHS.get(
                        node["LockingClause"].get("strength", ""), "FOR UPDATE"
                    )
                    message = f'relation "{name}" in {strength} clause not found in FROM clause'
                    ctx.undefined("42P01", message, location)
