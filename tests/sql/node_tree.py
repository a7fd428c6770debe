"""Whole-row references in a stored rule (pg_node_tree), which pg_depend does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKENS = re.compile(r"[{}()]|(?:\\.|[^\s{}()\\])+", re.DOTALL)

_RELATION = "0"
_JOIN = "2"
"""RTEKind's RTE_RELATION and RTE_JOIN."""

Node = dict[str, list[object]]


Pair = tuple[int, int]


def whole_rows(text: str) -> frozenset[Pair]:
    """What `text`, a rule's ev_action, reads by whole rows: (relation, column), and column 0 for
    all columns of the relation. A join's row is the columns of its sides."""
    found: set[Pair] = set()
    for node in _read(iter(_TOKENS.findall(text)), ")"):
        _walk(node, [], found)
    return frozenset(found)


def _read(tokens: Iterator[str], end: str) -> list[object]:
    items: list[object] = []
    for token in tokens:
        if token == end:
            break
        if token == "{":
            items.append(_node(_read(tokens, "}")))
        elif token == "(":
            items.append(_read(tokens, ")"))
        else:
            items.append(token)
    return items


def _node(items: list[object]) -> Node:
    fields: Node = {"": [items[0]]}
    name = ""
    for item in items[1:]:
        if isinstance(item, str) and item.startswith(":"):
            name = item[1:]
            fields[name] = []
        else:
            fields.setdefault(name, []).append(item)
    return fields


def _walk(item: object, tables: list[list[Node]], found: set[Pair]) -> None:
    if isinstance(item, list):
        for part in item:
            _walk(part, tables, found)
    if not isinstance(item, dict):
        return
    kind = item[""][0]
    if kind == "QUERY":
        (rtable,) = item["rtable"]
        tables = [*tables, rtable if isinstance(rtable, list) else []]
    if kind == "VAR" and item["varattno"] == ["0"]:
        found |= _columns(item, tables)
    for name, part in item.items():
        if name:
            _walk(part, tables, found)


def _columns(variable: Node, tables: list[list[Node]]) -> set[Pair]:
    """What a Var stands for, joins followed to relations; nothing in subqueries, whose columns
    the rule names anyway."""
    level = int(str(variable["varlevelsup"][0]))
    entry = tables[-1 - level][int(str(variable["varno"][0])) - 1]
    column = int(str(variable["varattno"][0]))
    if entry["rtekind"] == [_RELATION]:
        return {(int(str(entry["relid"][0])), column)}
    if entry["rtekind"] != [_JOIN]:
        return set()
    (sides,) = entry["joinaliasvars"]
    chosen = sides if column == 0 else [sides[column - 1]]  # type: ignore[index]
    here = tables[: len(tables) - level]
    found: set[Pair] = set()
    for inner in _variables(chosen):
        found |= _columns(inner, here)
    return found


def _variables(item: object) -> Iterator[Node]:
    if isinstance(item, list):
        for part in item:
            yield from _variables(part)
    elif isinstance(item, dict):
        if item[""] == ["VAR"]:
            yield item
        else:
            for name, part in item.items():
                if name:
                    yield from _variables(part)
