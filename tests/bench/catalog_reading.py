"""Reading a catalog again and again: what initdb made is read once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.sql.snapshot import Snapshot

_OWN = "OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"
_ENDINGS = (
    ("""ANY ('{r,p,v,m,f,S,c}'::pg_catalog."char"[])""", f" AND c.oid {_OWN}"),
    (
        "JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang",
        f" AND p.oid {_OWN}",
    ),
    (
        "FROM pg_catalog.pg_type t JOIN spaces s ON s.oid OPERATOR(pg_catalog.=) t.typnamespace",
        f" AND t.oid {_OWN}",
    ),
)


def _own_query() -> str:
    """SNAPSHOT_QUERY without the relations, functions and types that initdb made."""
    query = SNAPSHOT_QUERY
    for place, addition in _ENDINGS:
        if query.count(place) != 1:
            raise RuntimeError(f"the catalog's query has changed: {place}")
        query = query.replace(place, place + addition)
    return query


OWN_QUERY = _own_query()


class Catalog:
    """Snapshots made of what initdb left behind and what came later."""

    def __init__(self, document: str) -> None:
        """`document` is what SNAPSHOT_QUERY returned in a fresh database."""
        self._base: dict[str, Any] = orjson.loads(document)
        self._snapshot = parse_snapshot(document, 1)

    def with_own(self, document: str) -> Snapshot:
        """The whole catalog; `document` is what OWN_QUERY returned."""
        own: dict[str, Any] = orjson.loads(document)
        own["types"] = [*self._base["types"], *(own["types"] or [])]
        found = parse_snapshot(orjson.dumps(own).decode(), 1)
        return replace(
            found,
            relations=(*self._snapshot.relations, *found.relations),
            functions=(*self._snapshot.functions, *found.functions),
        )
