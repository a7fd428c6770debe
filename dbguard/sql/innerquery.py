"""The queries inside a statement, with the part of the text each was read from.

The referee gives no positions for queries, so the extent of one inside EXPLAIN, PREPARE, COPY and
the like is found by trial: the part of the text of which the referee makes the very same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbguard.errors import StatementError

from . import referee
from .referee import Node, ParsedStatement, Token

QUERY_TAGS = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})

_WRAPPED = {
    "ExplainStmt": "query",
    "PrepareStmt": "query",
    "DeclareCursorStmt": "query",
    "CopyStmt": "query",
    "CreateTableAsStmt": "query",
    "ViewStmt": "query",
}
_BEGINNINGS = frozenset(
    {"SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE_P", "MERGE"}
)
_PAREN, _CLOSE = "ASCII_40", "ASCII_41"


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT, INSERT, UPDATE, DELETE or MERGE and its extent in the text, in bytes."""

    tag: str
    node: Node
    start: int
    end: int


def queries(
    statement: ParsedStatement, raw: bytes, tokens: Sequence[Token]
) -> tuple[Query, ...] | None:
    """What of `statement` must be read a second time: nothing for utility statements.

    None means that it wraps a query whose extent cannot be found.
    """
    inside = referee.tokens_within(tokens, statement.start, statement.end)
    tag, node = statement.tag, statement.node
    while tag in _WRAPPED:
        if _WRAPPED[tag] not in node:
            return ()
        ((tag, node),) = node[_WRAPPED[tag]].items()
    if tag not in QUERY_TAGS:
        return ()
    if tag == statement.tag:
        return (Query(tag, node, statement.start, statement.end),)
    if statement.tag == "ViewStmt":
        tag, node = _recursive_view(statement.node, tag, node, inside)
    wanted = without_locations(node)
    for start, end in _extents(inside):
        part = raw[start:end].decode("utf-8")
        if is_tree_of(part, tag, wanted):
            return (Query(tag, node, start, end),)
    return None


def _recursive_view(view: Node, tag: str, node: Node, tokens: Sequence[Token]) -> tuple[str, Node]:
    """What stands in the text of CREATE RECURSIVE VIEW v (c) AS query: the grammar makes of it
    WITH RECURSIVE v (c) AS (query) SELECT c FROM v (makeRecursiveViewSelect)."""
    if next((t.kind for t in tokens if t.kind in ("RECURSIVE", "VIEW")), "") != "RECURSIVE":
        return tag, node
    common = node.get("withClause", {}).get("ctes", ())
    if len(common) != 1 or common[0]["CommonTableExpr"]["ctename"] != view["view"]["relname"]:
        return tag, node
    ((tag, node),) = common[0]["CommonTableExpr"]["ctequery"].items()
    return tag, node


def without_locations(node: Any) -> Any:
    """The tree without positions: equal for texts that mean the same to PostgreSQL's parser."""
    if isinstance(node, Mapping):
        return {k: without_locations(v) for k, v in node.items() if k not in _LOCATIONS}
    if isinstance(node, list):
        return [without_locations(item) for item in node]
    return node


_LOCATIONS = frozenset(
    (
        "location",
        "stmt_location",
        "stmt_len",
        "list_start",
        "list_end",
        "rexpr_list_start",
        "rexpr_list_end",
        "arg_location",
        "name_location",
    )
)


def _extents(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Parts of a wrapper that may be its query, the likeliest first."""
    for index, token in enumerate(tokens):
        if index == 0 or (token.kind not in _BEGINNINGS and token.kind != _PAREN):
            continue
        depth = 0
        closed = None
        tails: list[int] = []
        for later in range(index, len(tokens)):
            kind = tokens[later].kind
            if kind == _PAREN:
                depth += 1
            elif kind == _CLOSE:
                depth -= 1
                if depth < 0:
                    closed = tokens[later].start
                    break
            elif kind in ("WITH", "WITH_LA") and depth == 0 and later > index:
                tails.append(tokens[later].start)
        yield token.start, closed if closed is not None else tokens[-1].end
        for tail in tails[-1:]:
            yield token.start, tail


def is_tree_of(part: str, tag: str, wanted: Any) -> bool:
    """Whether the referee reads `part` as one statement with the tree `wanted`."""
    try:
        parsed = referee.parse(part)
    except StatementError:
        return False
    return len(parsed) == 1 and parsed[0].tag == tag and without_locations(parsed[0].node) == wanted
