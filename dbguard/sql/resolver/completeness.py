"""Proof that a statement was read to its end, and that the server reads it the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbguard.sql.facts import Opaque
from dbguard.sql.referee import Node, ParsedStatement, character_position

from .context import Context, strings

_QUERIES = frozenset(
    {
        "SelectStmt",
        "InsertStmt",
        "UpdateStmt",
        "DeleteStmt",
        "MergeStmt",
        "ExplainStmt",
        "PrepareStmt",
        "DeclareCursorStmt",
        "CopyStmt",
        "CreateTableAsStmt",
        "ViewStmt",
        "ExecuteStmt",
    }
)
"""Statements whose every name is resolved; other ones only name objects."""

_SINCE: Mapping[str, int] = {
    "JsonObjectConstructor": 16,
    "JsonArrayConstructor": 16,
    "JsonArrayQueryConstructor": 16,
    "JsonObjectAgg": 16,
    "JsonArrayAgg": 16,
    "JsonIsPredicate": 16,
    "JsonParseExpr": 17,
    "JsonScalarExpr": 17,
    "JsonSerializeExpr": 17,
    "JsonFuncExpr": 17,
    "JsonTable": 17,
    "MergeSupportFunc": 17,
    "ReturningOption": 18,
    "MergeStmt": 15,
    "CTESearchClause": 14,
    "CTECycleClause": 14,
}
"""First major version whose grammar has the node. An older server takes some of these spellings
for calls of functions that anybody may have written."""

_KEYWORDS_SINCE: Mapping[str, int] = {"system_user": 16}
"""The same for keywords that stand for a function. On an older server it names a column."""


def check_complete(ctx: Context, statement: ParsedStatement) -> tuple[Opaque, ...]:
    """Names that nobody resolved, and nodes that the server's own grammar does not have."""
    found: dict[Opaque, None] = {}
    seen = ctx.ledger.seen
    resolves_all = statement.tag in _QUERIES
    major = ctx.snapshot.server_version // 10_000
    for tag, fields in _nodes(statement.tag, statement.node):
        kind = _NAMES.get(tag)
        if kind is None and "relname" in fields:
            kind = "relation"
        location = fields.get("location", 0)
        if resolves_all and kind is not None and (kind, location) not in seen:
            position = character_position(ctx.raw, location)
            found[Opaque(f"a {kind} name in an unusual place", position)] = None
        since = _SINCE.get(tag, 0)
        if tag == "FuncCall" and fields.get("funcformat") == "COERCE_SQL_SYNTAX":
            tag = strings(fields["funcname"])[-1] or ""
            since = _KEYWORDS_SINCE.get(tag, 0)
        if since > major:
            where = character_position(ctx.raw, location) if location > 0 else None
            found[Opaque(f"syntax that the server does not have ({tag})", where)] = None
    return tuple(found)


_NAMES: Mapping[str, str] = {
    "RangeVar": "relation",
    "ColumnRef": "column",
    "FuncCall": "function",
}


def _nodes(tag: str, node: Node) -> Iterator[tuple[str, Node]]:
    """Every node of the tree; those whose type the grammar fixes come without a name, so any
    field, known or not, is looked into."""
    todo: list[tuple[str, Any]] = [(tag, node)]
    while todo:
        name, item = todo.pop()
        if type(item) is list:
            todo.extend([("", element) for element in item])
        elif type(item) is dict:
            if name:
                yield name, item
            elif "relname" in item:
                yield "", item
            for key, value in item.items():
                if type(value) is dict or type(value) is list:
                    todo.append((key if key[:1].isupper() else "", value))
