"""Which names a statement's tree holds at all: a net under the resolver.

Whatever scoping rules the resolver may have got wrong, a statement that nowhere holds a column's
name, a star, a NATURAL join or a whole-row reference cannot reach that column's values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .referee import Node
from .sites import RelationSite
from .snapshot import Relation


@dataclass(frozen=True, slots=True)
class Mentions:
    """What one statement's tree holds."""

    words: frozenset[str]
    """Every identifier: names of columns, fields, functions, relations, types."""
    last_words: frozenset[str]
    """Last parts of column references, which may be whole rows."""
    everything: bool
    """A star, a NATURAL join or an alias over a join: columns are reached without their names."""

    in_order: frozenset[int]
    """Places of relations under a join whose columns are named anew by position."""

    def may_reach(self, site: RelationSite, relation: Relation, numbers: frozenset[int]) -> bool:
        """Whether the statement could use one of the columns through `site`."""
        if self.everything or site.has_column_aliases:
            return True
        if (site.alias or relation.name) in self.last_words:
            return True
        return any(c.name in self.words for c in relation.columns if c.number in numbers)


def mentions(node: Node) -> Mentions:
    """Collect the names in a statement's tree."""
    words: set[str] = set()
    last_words: set[str] = set()
    everything = False
    in_order: set[int] = set()
    for tag, inner in _nodes(node):
        match tag:
            case "String":
                words.add(inner.get("sval", ""))
            case "A_Star":
                everything = True
            case "ColumnRef":
                last = inner["fields"][-1]
                last_words.add(last.get("String", {}).get("sval", ""))
            case "JoinExpr":
                if inner.get("isNatural") or "alias" in inner or "join_using_alias" in inner:
                    everything = True
                if "colnames" in inner.get("alias", {}):
                    in_order.update(_relations(inner))
    return Mentions(frozenset(words), frozenset(last_words), everything, frozenset(in_order))


_INNER = (dict, list)
"""What holds further nodes; most of a tree's values are words and places."""


def _relations(join: Node) -> Iterator[int]:
    """Places of the relations that a join is made of; those inside subqueries do no harm."""
    return (inner.get("location", 0) for tag, inner in _nodes(join) if tag == "RangeVar")


def read_places(root: Node) -> Iterator[int]:
    """Places of the relations that stand where rows are read: FROM, USING and what is in them."""
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            items = [*node.get("fromClause", ()), *node.get("usingClause", ())]
            if "jointype" in node:
                items += [node.get("larg", {}), node.get("rarg", {})]
            items.append(node.get("sourceRelation", {}))
            if "RangeTableSample" in node:
                items.append(node["RangeTableSample"]["relation"])
            for item in items:
                if "RangeVar" in item:
                    yield item["RangeVar"].get("location", 0)
            pending.extend(node.values())


def relation_names(root: Node) -> Iterator[tuple[str, str]]:
    """Schema and name of every qualified relation anywhere in a tree."""
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if "relname" in node and "schemaname" in node:
                yield node["schemaname"], node["relname"]
            if "colno" in node and node["colno"] > 1:  # the same source once more
                node = {key: value for key, value in node.items() if key != "source"}
            pending += [value for value in node.values() if value.__class__ in _INNER]


def _nodes(root: Any) -> Iterator[tuple[str, Node]]:
    """Every field of every node that is a node itself, with the name it stands under."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            for key, value in node.items():
                if isinstance(value, dict):
                    yield key, value
                pending.append(value)
