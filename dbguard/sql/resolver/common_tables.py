"""WITH: common table expressions, recursive ones included (parse_cte.c)."""

from __future__ import annotations

from functools import partial

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
    if not clause.get("recursive"):
        for table in tables:
            columns = _named(table, ctx.query(ctx, table["ctequery"], scope))
            columns = _search_and_cycle(ctx, table, columns, scope)
            scope.common[table["ctename"]] = CommonTable(table["ctename"], columns)
        return
    pending: list[CommonTable] = []
    for table in tables:
        common = CommonTable(table["ctename"])
        common.read = partial(_read_recursive, ctx, table, scope, common)
        scope.common[common.name] = common
        pending.append(common)
    for common in pending:
        common.read_now()


_NEVER_RECURSIVE = {"sortClause", "limitCount", "limitOffset", "lockingClause"}
"""Clauses that PostgreSQL refuses on a query that refers to itself (checkWellFormedRecursion)."""


def _read_recursive(ctx: Context, table: Node, scope: Scope, common: CommonTable) -> None:
    """One table of WITH RECURSIVE; one that it names before its turn is read then.

    While it is read, its columns are cells; the cells' contents are what the whole query gives.
    """
    body = table["ctequery"].get("SelectStmt", {})
    if body.get("op", "SETOP_NONE") == "SETOP_NONE" or body.keys() & _NEVER_RECURSIVE:
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
