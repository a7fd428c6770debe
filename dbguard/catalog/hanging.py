"""What relations depend on: the parts of a catalog document that say what CASCADE takes along."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dbguard.sql.snapshot import RelationKind, Support

_RELATION = "relation"
_PART = "part"
"""A default, a constraint, an index, a trigger, a policy: it may go without the relation."""
_TYPE = "pg_type"
_WORDS = {
    "pg_collation": "collation",
    "pg_extension": "extension",
    "pg_foreign_data_wrapper": "fdw",
    "pg_foreign_server": "foreign_server",
    "pg_language": "language",
    "pg_operator": "operator",
    "pg_proc": "function",
    _TYPE: "type",
}
_FIRST_NORMAL = 16384

Node = tuple[str, str]
"""Catalog (or `relation`, or `part` of one) and OID."""


class Hanging:
    """The dependencies of one document, followed to the end."""

    def __init__(self, parts: Mapping[str, list[list[Any]]], schemas: Mapping[str, str]) -> None:
        self._relations = {
            str(oid): (schemas[space], name, kind)
            for oid, space, name, kind, *_ in parts["relations"]
        }
        self._elements: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        composites: dict[str, str] = {}
        self._named: dict[Node, Support] = {}
        for oid, space, name, _, _, relation, element, *_ in parts["types"]:
            if int(oid) < _FIRST_NORMAL:
                continue
            if str(element) != "0":
                self._elements[oid] = str(element)
            if str(relation) != "0":
                kind = self._relations.get(str(relation), ("", "", "c"))[2]
                if kind == RelationKind.COMPOSITE_TYPE:
                    composites[str(relation)] = oid
                else:
                    self._rows[oid] = str(relation)
            self._named[_TYPE, oid] = Support("type", schemas[space], name)
        for catalog, part in (("pg_proc", "functions"), ("pg_operator", "operators")):
            for oid, space, name, *_ in parts[part]:
                if int(oid) >= _FIRST_NORMAL:
                    self._named[catalog, str(oid)] = Support(_WORDS[catalog], schemas[space], name)
        # Documents saved by earlier releases do not have these parts.
        for catalog, oid, schema, name in parts.get("supports", []):
            self._named[catalog, str(oid)] = Support(_WORDS[catalog], schema, name)
        self._steps: dict[Node, set[Node]] = defaultdict(set)
        catalogs = {str(oid): name for oid, name in parts.get("catalogs", [])}
        catalogs |= {oid: _RELATION for oid, name in catalogs.items() if name == "pg_class"}
        for what, oid, on, target in parts.get("hanging", []):
            catalog = _PART if str(what) == "0" else catalogs.get(str(what), "")
            owner = (catalog, str(oid))
            if catalog == _RELATION and str(oid) in composites:
                owner = (_TYPE, composites[str(oid)])
            self._steps[owner].add(self._meant(catalogs[str(on)], str(target)))

    def of_relation(self, oid: str) -> tuple[Support, ...]:
        """What the relation depends on, sorted."""
        start = ((_RELATION, oid), (_PART, oid))
        todo = [node for node in start if node in self._steps]
        if not todo:
            return ()
        seen = set(start)
        while todo:
            for step in self._steps.get(todo.pop(), ()):
                if step not in seen:
                    seen.add(step)
                    todo.append(step)
        return tuple(sorted({self._support(node) for node in seen.difference(start)}))

    def _meant(self, catalog: str, oid: str) -> Node:
        """The object itself; an element for its array, a relation for its row type."""
        if catalog != _TYPE:
            return catalog, oid
        element = self._elements.get(oid, oid)
        return (_RELATION, self._rows[element]) if element in self._rows else (_TYPE, element)

    def _support(self, node: Node) -> Support:
        catalog, oid = node
        if catalog == _RELATION:
            schema, name, _ = self._relations.get(oid, ("", "", ""))
            return Support(_RELATION, schema, name)
        return self._named.get(node) or Support(_WORDS.get(catalog, catalog.removeprefix("pg_")))
