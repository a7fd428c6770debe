"""What there is to query: tables by schema, columns by kind of type."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dbguard.sql.snapshot import Relation, RelationKind, Snapshot


class Kind(enum.StrEnum):
    """Types that the generator's expressions are written for."""

    INT = "int"
    NUMBER = "numeric"
    TEXT = "text"
    DATE = "date"
    TIME = "timestamptz"
    BOOL = "boolean"
    JSON = "jsonb"
    TEXTS = "text[]"
    ADDRESS = "clinic.address"
    OTHER = ""


_KINDS = {
    "smallint": Kind.INT,
    "integer": Kind.INT,
    "bigint": Kind.INT,
    "numeric": Kind.NUMBER,
    "double precision": Kind.NUMBER,
    "text": Kind.TEXT,
    "character varying": Kind.TEXT,
    "clinic.mrn": Kind.TEXT,
    "date": Kind.DATE,
    "timestamp with time zone": Kind.TIME,
    "boolean": Kind.BOOL,
    "jsonb": Kind.JSON,
    "text[]": Kind.TEXTS,
    "clinic.address": Kind.ADDRESS,
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    """Empty when nothing can refer to it by name."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    oid: int
    schema: str
    name: str
    kind: RelationKind
    fields: tuple[Field, ...]
    visible: bool
    """Its name alone means it."""
    key: str | None
    """The primary key, when it is one column."""

    @property
    def stored(self) -> bool:
        return self.kind is not RelationKind.VIEW


@dataclass(frozen=True, slots=True)
class World:
    tables: tuple[Table, ...]
    version: int
    """Major version of the server."""
    xml: bool


_READABLE = {
    RelationKind.TABLE,
    RelationKind.PARTITIONED_TABLE,
    RelationKind.VIEW,
    RelationKind.MATERIALIZED_VIEW,
}


def world_of(snapshot: Snapshot, path: tuple[str, ...], *, xml: bool) -> World:
    """The user's own tables and views of `snapshot`, as seen under `path`."""
    tables = [
        _table(r, snapshot.find_relation(None, r.name, path) is r)
        for r in snapshot.relations
        if r.kind in _READABLE and r.schema not in ("pg_catalog", "information_schema")
    ]
    ordered = sorted(tables, key=lambda t: (t.schema, t.name))
    return World(tuple(ordered), snapshot.server_version // 10_000, xml)


def _table(relation: Relation, visible: bool) -> Table:
    fields = tuple(
        Field(c.name, _KINDS.get(c.type_name.partition("(")[0], Kind.OTHER))
        for c in relation.columns
    )
    keys = [c.name for c in relation.columns if c.number in relation.primary_key]
    return Table(
        relation.oid,
        "pg_temp" if relation.temporary else relation.schema,
        relation.name,
        relation.kind,
        fields,
        visible,
        keys[0] if len(keys) == 1 else None,
    )
