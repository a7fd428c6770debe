"""What types and relations bring with them: functions that run uncalled, rows inside values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dbguard.sql.functions import is_trusted_extension
from dbguard.sql.snapshot import RULE

_PG_CATALOG_LIMIT = 16384
"""OIDs below are the server's own objects (transam.h, FirstNormalObjectId)."""


class HiddenCode:
    """The parts of a catalog document that say what runs when, followed to the end.

    Functions of known extensions are left out. OIDs are texts, as in the document.
    """

    def __init__(self, parts: Mapping[str, list[list[Any]]]) -> None:
        extensions = {
            oid: name for catalog, oid, name in parts["extensions"] if catalog == "pg_proc"
        }
        kinds = {str(row[0]): row[3] for row in parts["relations"]}
        self._direct: dict[tuple[str, str], set[int]] = defaultdict(set)
        # Documents saved by earlier releases do not have these parts.
        for what, owner, function in parts.get("code", []):
            if kinds.get(str(owner)) == "m":
                what = "write"  # its query runs at REFRESH, not when its rows are read
            trusted = is_trusted_extension(extensions.get(str(function)))
            if int(function) >= _PG_CATALOG_LIMIT and not trusted:
                self._direct[what, str(owner)].add(int(function))
        self.event_code = tuple(
            int(str(function))
            for function in parts.get("event_code", [])
            if not is_trusted_extension(extensions.get(str(function)))
        )
        for oid in parts["rules"]:
            self._direct["write", str(oid)].add(RULE)
        self._column_types: dict[str, set[str]] = defaultdict(set)
        for row in parts["columns"]:
            self._column_types[row[0]].add(row[3])
        for view, used in parts.get("view_types", []):
            if kinds.get(str(view)) == "v":
                self._column_types[str(view)].add(str(used))
        self._components: dict[str, set[str]] = defaultdict(set)
        self._rows: dict[str, str] = {}
        """By type, the relation whose row type it is."""
        for oid, _, _, _, _, relation, element, *_ in parts["types"]:
            if str(relation) != "0":
                self._rows[oid] = str(relation)
            self._components[oid].update({str(element)} - {"0"})
            self._components[oid].update(self._column_types.get(str(relation), ()))
        for domain, base, *_ in parts["domains"]:
            self._components[domain].add(base)
        for domain, middle in parts.get("domain_parents", []):
            self._components[str(domain)].add(str(middle))
        self._rows_in: dict[str, tuple[int, ...]] = {}
        self._of_type: dict[str, tuple[int, ...]] = {}
        """What was found already: columns are many, types few."""
        self._written_too: dict[str, set[str]] = defaultdict(set)
        self._read_too: dict[str, set[str]] = defaultdict(set)
        for first, second in parts.get("written_too", []):
            self._written_too[str(first)].add(str(second))
            if kinds.get(str(first)) == "v":  # all that a view reads
                self._read_too[str(first)].add(str(second))
        for child, parent in parts["parents"]:
            self._written_too[parent].add(child)

    def rows_in(self, oid: str) -> tuple[int, ...]:
        """OIDs of relations whose rows a value of this type can hold."""
        known = self._rows_in.get(oid)
        if known is None:
            reached = _closure(oid, self._components)
            known = tuple(sorted(int(self._rows[t]) for t in reached if t in self._rows))
            self._rows_in[oid] = known
        return known

    def of_type(self, oid: str) -> tuple[int, ...]:
        known = self._of_type.get(oid)
        if known is None:
            found: set[int] = set()
            for reached in _closure(oid, self._components):
                found |= self._direct.get(("type", reached), set())
            known = self._of_type[oid] = tuple(sorted(found))
        return known

    def of_reading(self, oid: str) -> tuple[int, ...]:
        """A view runs what it calls, and what is behind all that it reads. Reading a materialized
        view runs neither."""
        found: set[int] = set()
        for reached in _closure(oid, self._read_too):
            found |= self._reading(reached)
        return tuple(sorted(found))

    def of_writing(self, oid: str) -> tuple[int, ...]:
        found: set[int] = set()
        for reached in _closure(oid, self._written_too):
            found |= self._direct.get(("write", reached), set()) | self._reading(reached)
        return tuple(sorted(found))

    def _reading(self, oid: str) -> set[int]:
        found = set(self._direct.get(("read", oid), set()))
        for type_oid in self._column_types.get(oid, ()):
            found.update(self.of_type(type_oid))
        return found


def _closure(start: str, steps: Mapping[str, set[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for step in steps.get(todo.pop(), ()):
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return seen
