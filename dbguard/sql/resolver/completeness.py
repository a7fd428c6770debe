"""Proof that a statement was read to its end, and that the server reads it the same way."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import Opaque
from dbguard.sql.inventory import mentions, walk
from dbguard.sql.referee import ParsedStatement, character_position

from .context import Context

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

GRAMMAR_VERSION = 18
"""PostgreSQL's major version whose grammar the referee has."""


def check_complete(ctx: Context, statement: ParsedStatement) -> tuple[Opaque, ...]:
    """Names that nobody resolved, and nodes that the server's own grammar does not have."""
    found: dict[Opaque, None] = {}
    seen = ctx.ledger.seen
    if statement.tag in _QUERIES:
        there = mentions(statement)
        for kind, group in (
            ("relation", there.relations),
            ("column", there.columns),
            ("function", there.functions),
        ):
            for mention in group:
                if (kind, mention.start) not in seen:
                    position = character_position(ctx.raw, mention.start)
                    found[Opaque(f"a {kind} name in an unusual place", position)] = None
    major = ctx.snapshot.server_version // 10_000
    if major < GRAMMAR_VERSION:
        for kind, node in walk(statement.tag, statement.node):
            if _SINCE.get(kind, 0) > major:
                location = node.get("location", 0)
                where = character_position(ctx.raw, location) if location > 0 else None
                found[Opaque(f"syntax that the server does not have ({kind})", where)] = None
    return tuple(found)
