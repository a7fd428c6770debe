"""Every name in a statement, found by walking the referee's whole tree.

The resolver knows what each node means; this walk knows only that it is there. Comparing both
proves that resolution left nothing out, whatever node PostgreSQL's grammar may put a name in.
The types of nodes come from libpg_query's protobuf schema; a node that the schema does not know
is walked all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from postgast import pg_query_pb2

from .referee import Node, ParsedStatement

STAR = "*"
"""Stands for a star in `ColumnMention.parts`; a column named `*` has `starred` False."""


@dataclass(frozen=True, slots=True)
class RelationMention:
    start: int
    """Byte offset of the name's first token."""
    parts: tuple[str, ...]
    """Database, schema and relation, as far as written, folded."""


@dataclass(frozen=True, slots=True)
class ColumnMention:
    start: int
    parts: tuple[str, ...]
    starred: bool
    """The last part is `*` and means all columns."""


@dataclass(frozen=True, slots=True)
class FunctionMention:
    start: int
    parts: tuple[str, ...]
    by_grammar: bool
    """PostgreSQL's grammar chose the name (EXTRACT, TRIM, AT TIME ZONE …): it is pg_catalog's own
    and does not stand in the text."""
    of_rows: bool = False
    """`f(*)`: a star that is no column."""


@dataclass(frozen=True, slots=True)
class FieldMention:
    """`.name` or `.*` behind an expression."""

    start: int
    """Byte offset of the expression's leftmost name or constant; -1 when it has none."""
    name: str
    starred: bool


@dataclass(frozen=True, slots=True)
class NameMention:
    """A bare name: a target column (INSERT's list, SET, MERGE), or the name of a CTE."""

    start: int
    name: str


@dataclass(frozen=True, slots=True)
class Mentions:
    """All mentions, each group in order of position."""

    relations: tuple[RelationMention, ...]
    columns: tuple[ColumnMention, ...]
    functions: tuple[FunctionMention, ...]
    fields: tuple[FieldMention, ...]
    targets: tuple[NameMention, ...]
    unplaced: tuple[str, ...]
    """Column names the tree gives no position for: USING lists, ON CONFLICT inference, index,
    statistics and partition columns, column lists of COPY, VACUUM and GRANT."""
    ctes: tuple[NameMention, ...]


def mentions(statement: ParsedStatement) -> Mentions:
    """Every name in `statement`."""
    return mentions_of(statement.tag, statement.node)


def mentions_of(tag: str, node: Node) -> Mentions:
    """Every name below `node`, whose node name is `tag`."""
    relations: list[RelationMention] = []
    columns: list[ColumnMention] = []
    functions: list[FunctionMention] = []
    fields: list[FieldMention] = []
    targets: list[NameMention] = []
    unplaced: list[str] = []
    ctes: list[NameMention] = []
    for kind, item in walk(tag, node):
        start = item.get("location", 0)
        if kind == "RangeVar" or ("relname" in item and kind != "WithCheckOption"):
            parts = (item.get("catalogname"), item.get("schemaname"), item.get("relname"))
            relations.append(RelationMention(start, tuple(p for p in parts if p)))
        elif kind == "ColumnRef":
            names = _strings(item.get("fields", ()))
            starred = _is_star(item["fields"][-1]) if item.get("fields") else False
            columns.append(ColumnMention(start, names, starred))
        elif kind == "FuncCall":
            by_grammar = item.get("funcformat") == "COERCE_SQL_SYNTAX"
            names = _strings(item["funcname"])
            of_rows = bool(item.get("agg_star"))
            functions.append(FunctionMention(start, names, by_grammar, of_rows))
        elif kind == "A_Indirection":
            leftmost = _leftmost(item.get("arg", {}))
            fields += [
                FieldMention(leftmost, name, _is_star(part))
                for part in item["indirection"]
                if "A_Indices" not in part
                for name in _strings((part,))
            ]
        elif kind == "CommonTableExpr":
            ctes.append(NameMention(start, item.get("ctename", "")))
        elif kind in ("IndexElem", "StatsElem", "PartitionElem"):
            unplaced += [item["name"]] if "name" in item else []
        elif kind == "JoinExpr":
            unplaced += _strings(item.get("usingClause", ()))
        elif kind == "CopyStmt":
            unplaced += _strings(item.get("attlist", ()))
        elif kind == "VacuumRelation":
            unplaced += _strings(item.get("va_cols", ()))
        elif kind == "AccessPriv":
            unplaced += _strings(item.get("cols", ()))
        for target in _targets(kind, item):
            targets.append(NameMention(target.get("location", 0), target["name"]))
            fields += [
                FieldMention(target.get("location", 0), name, _is_star(part))
                for part in target.get("indirection", ())
                if "A_Indices" not in part
                for name in _strings((part,))
            ]
    return Mentions(
        tuple(sorted(relations, key=lambda m: m.start)),
        tuple(sorted(columns, key=lambda m: m.start)),
        tuple(sorted(functions, key=lambda m: m.start)),
        tuple(sorted(fields, key=lambda m: m.start)),
        tuple(sorted(targets, key=lambda m: m.start)),
        tuple(unplaced),
        tuple(sorted(ctes, key=lambda m: m.start)),
    )


def walk(tag: str, node: Node) -> Iterator[tuple[str, Node]]:
    """Every node below `node` and itself, each with its node name ("" when nobody knows it)."""
    stack: list[tuple[str, Any]] = [(tag, node)]
    while stack:
        kind, item = stack.pop()
        if isinstance(item, list):
            stack.extend((kind, element) for element in reversed(item))
            continue
        if not isinstance(item, dict):
            continue
        if kind in ("Node", "") and len(item) == 1:
            ((name, inner),) = item.items()
            if name in _MESSAGES and isinstance(inner, dict):
                stack.append((name, inner))
                continue
        yield kind, item
        known = _field_types(kind)
        for name, inner in item.items():
            if isinstance(inner, dict | list):
                stack.append((known.get(name, ""), inner))


_MESSAGES: Mapping[str, Any] = pg_query_pb2.DESCRIPTOR.message_types_by_name


@cache
def _field_types(kind: str) -> Mapping[str, str]:
    """JSON name of each field of a node that holds nodes → the name of those nodes."""
    message = _MESSAGES.get(kind)
    if message is None:
        return {}
    return {f.json_name: f.message_type.name for f in message.fields if f.message_type}


def _targets(kind: str, item: Node) -> Iterator[Node]:
    """ResTargets that name what is written."""
    if kind == "InsertStmt":
        listed = item.get("cols", ())
    elif kind in ("UpdateStmt", "MergeWhenClause", "OnConflictClause"):
        listed = item.get("targetList", ())
    else:
        return
    for element in listed:
        target = element.get("ResTarget", {})
        if "name" in target:
            yield target


def _strings(nodes: Any) -> tuple[str, ...]:
    return tuple(
        STAR if _is_star(n) else n["String"].get("sval", "")
        for n in nodes
        if "String" in n or _is_star(n)
    )


def _is_star(node: Node) -> bool:
    return "A_Star" in node


def _leftmost(node: Any) -> int:
    found = [
        item.get("location", 0)
        for kind, item in walk("Node", node)
        if kind in ("ColumnRef", "FuncCall", "A_Const", "ParamRef", "SubLink", "RowExpr")
    ]
    return min(found, default=-1)
