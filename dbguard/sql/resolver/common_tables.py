"""WITH: common table expressions, recursive ones included (parse_cte.c)."""

from __future__ import annotations

from dbguard.sql.facts import Use
from dbguard.sql.referee import Node

from .context import Context, strings
from .expressions import expression
from .scope import CommonTable, Scope
from .values import EMPTY, NONE, NamedValue, Value, either


def with_clause(ctx: Context, fields: Node, scope: Scope) -> None:
    """Read WITH into `scope`; what is never referred to is read all the same."""
    clause = fields.get("withClause")
    if not clause:
        return
    tables = [n["CommonTableExpr"] for n in clause.get("ctes", ())]
    if clause.get("recursive"):
        pending = {t["ctename"]: t for t in tables}
        for table in tables:
            scope.common[table["ctename"]] = CommonTable(table["ctename"])
        for table in tables:
            common = scope.common[table["ctename"]]
            if common.columns is None:
                _recursive_table(ctx, table, scope, common, pending)
        return
    for table in tables:
        columns = _named(table, ctx.query(ctx, table["ctequery"], scope))
        columns = _search_and_cycle(ctx, table, columns, scope)
        scope.common[table["ctename"]] = CommonTable(table["ctename"], columns)


def _recursive_table(
    ctx: Context, table: Node, scope: Scope, common: CommonTable, pending: dict[str, Node]
) -> None:
    """One table of WITH RECURSIVE.

    While it is read, its columns are cells; the cells' contents are what the whole query gives.
    Tables that it refers to before they are read are read then (PostgreSQL sorts them first).
    """
    pending.pop(table["ctename"], None)
    for name in _mentioned(table["ctequery"]) & pending.keys():
        if name in pending:
            _recursive_table(ctx, pending[name], scope, scope.common[name], pending)
    body = table["ctequery"].get("SelectStmt", {})
    if body.get("op", "SETOP_NONE") == "SETOP_NONE":
        columns = _named(table, ctx.query(ctx, table["ctequery"], scope))
        common.columns = _search_and_cycle(ctx, table, columns, scope)
        return
    inner = Scope(scope)
    with_clause(ctx, body, inner)
    cells: list[Value] = []
    number = -1 - len(ctx.ledger.cells)
    ctx.ledger.cells.append(cells)
    left = _named(table, ctx.query(ctx, {"SelectStmt": body["larg"]}, inner))
    cells.extend(c.value for c in left)
    columns = [
        NamedValue(
            c.name,
            Value(frozenset(((number, i),)), row=c.value.row, type_name=c.value.type_name),
        )
        for i, c in enumerate(left)
    ]
    common.columns = _search_and_cycle(ctx, table, columns, scope)
    right = ctx.query(ctx, {"SelectStmt": body["rarg"]}, inner)
    for i, column in enumerate(right[: len(cells)]):
        cells[i] = either(cells[i], column.value)
    if not body.get("all"):
        ctx.ledger.mark_all(cells, Use.GROUP)


def _mentioned(node: object) -> set[str]:
    """Every unqualified relation name below `node`."""
    found: set[str] = set()
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, dict):
            if "relname" in current and "schemaname" not in current:
                found.add(current["relname"])
            todo.extend(current.values())
    return found


def _named(table: Node, columns: list[NamedValue]) -> list[NamedValue]:
    names = strings(table.get("aliascolnames"))
    return [
        NamedValue(names[i] if i < len(names) else c.name, c.value) for i, c in enumerate(columns)
    ]


def _search_and_cycle(
    ctx: Context, table: Node, columns: list[NamedValue], scope: Scope
) -> list[NamedValue]:
    """Append the columns that SEARCH and CYCLE make."""
    by_name = dict(reversed(columns))
    if search := table.get("search_clause"):
        used = [by_name.get(n, EMPTY) for n in strings(search.get("search_col_list"))]
        ctx.ledger.mark_all(used, Use.SORT)
        keys = NONE.union(*[v.keys for v in used])
        columns = [*columns, NamedValue(search["search_seq_column"], Value(computed=keys))]
    if cycle := table.get("cycle_clause"):
        used = [by_name.get(n, EMPTY) for n in strings(cycle.get("cycle_col_list"))]
        ctx.ledger.mark_all(used, Use.GROUP)
        keys = NONE.union(*[v.keys for v in used])
        for name in ("cycle_mark_value", "cycle_mark_default"):
            if name in cycle:
                expression(ctx, cycle[name], scope)
        columns = [
            *columns,
            NamedValue(cycle["cycle_mark_column"], EMPTY),
            NamedValue(cycle["cycle_path_column"], Value(computed=keys)),
        ]
    return columns
