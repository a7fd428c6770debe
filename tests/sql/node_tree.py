"""Whole-row references in a stored rule (pg_node_tree), which pg_depend does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKENS = re.compile(r"[{}()]|(?:\\.|[^\s{}()\\])+", re.DOTALL)

_RELATION = "0"
"""RTEKind RTE_RELATION."""

Node = dict[str, list[object]]


def whole_rows(text: str) -> frozenset[int]:
    """OIDs of the relations that `text`, a rule's ev_action, reads whole rows of."""
    found: set[int] = set()
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


def _walk(item: object, tables: list[list[Node]], found: set[int]) -> None:
    if isinstance(item, list):
        for part in item:
            _walk(part, tables, found)
    if not isinstance(item, dict):
        return
    kind = item[""][0]
    if kind in ("QUERY",):
        (rtable,) = item["rtable"]
        tables = [*tables, rtable if isinstance(rtable, list) else []]
    if kind == "VAR" and item["varattno"] == ["0"]:
        level = int(str(item["varlevelsup"][0]))
        entry = tables[-1 - level][int(str(item["varno"][0])) - 1]
        if entry["rtekind"] == [_RELATION]:
            found.add(int(str(entry["relid"][0])))
    for name, part in item.items():
        if name:
            _walk(part, tables, found)
