"""From a live database to a `Snapshot`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import asyncpg
import orjson

from dbguard.catalog.hanging import Hanging
from dbguard.catalog.hidden_code import HiddenCode
from dbguard.catalog.query import (
    NORMAL_QUERY,
    ONE_FUNCTION_QUERY,
    ONE_VIEW_QUERY,
    SNAPSHOT_QUERY,
    WITHOUT_TEXTS_QUERY,
)
from dbguard.catalog.roles import roles_of
from dbguard.catalog.system_rows import SystemRows, SystemRowsChanged, system_rows
from dbguard.sql.names import quote
from dbguard.sql.snapshot import (
    Column,
    Function,
    Operator,
    Relation,
    RelationKind,
    Snapshot,
    TypeInfo,
)

__all__ = [
    "NORMAL_QUERY",
    "SNAPSHOT_QUERY",
    "SystemRows",
    "SystemRowsChanged",
    "load_snapshot",
    "parse_snapshot",
    "parse_whole",
    "read_document",
    "read_normal",
]

Row = list[Any]
"""One row of the document, its fields in the order of `SNAPSHOT_QUERY`. OIDs come as strings."""

_RETURNED_MODES = frozenset("obt")
"""pg_proc.proargmodes of result columns: OUT, INOUT, TABLE."""


UNKNOWN_TYPE = "???"
"""PostgreSQL's own word for a type it cannot name. Here: one in another session's temporary
schema, which a column or argument can have. No cast to it can be written."""

UNKNOWN_CATEGORY = "X"
"""pg_type.typcategory of the type "unknown"."""

UNREADABLE = (
    asyncpg.StatementTooComplexError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.OutOfMemoryError,
    asyncpg.InternalServerError,
    asyncpg.UndefinedObjectError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.LockNotAvailableError,
)
"""What deparsing one view or function can raise: it nests deeper than the server can print (a
view can be made that is), was dropped or locked a moment ago, or takes more locks than there are.
"""


async def load_snapshot(connection: asyncpg.Connection, epoch: int) -> Snapshot:
    """Read the catalog of the database that `connection` is open on.

    The connection's search_path should be empty, so that view definitions are fully qualified,
    and it should have a lock_timeout. Raises asyncpg's errors.
    """
    return parse_snapshot(await read_document(connection), epoch)


async def read_document(connection: asyncpg.Connection) -> str:
    """The JSON document of `SNAPSHOT_QUERY`; equal documents mean equal catalogs.

    Where one object's text cannot be had, the texts are read one by one and that one is left out.
    """
    try:
        document: str = await connection.fetchval(SNAPSHOT_QUERY)
    except UNREADABLE:
        document = await _read_one_by_one(connection)
    return document


async def read_normal(connection: asyncpg.Connection) -> str | None:
    """The document of `NORMAL_QUERY`; None when a text in it cannot be had."""
    try:
        document: str = await connection.fetchval(NORMAL_QUERY)
    except UNREADABLE:
        return None
    return document


async def _read_one_by_one(connection: asyncpg.Connection) -> str:
    document: dict[str, Any] = orjson.loads(await connection.fetchval(WITHOUT_TEXTS_QUERY))
    for part, query in (("views", ONE_VIEW_QUERY), ("atomic", ONE_FUNCTION_QUERY)):
        found = []
        for oid, *_ in document[part] or []:
            try:
                row = await connection.fetchrow(query, int(oid))
            except UNREADABLE:
                continue
            if row is not None and None not in row:
                found.append([oid, *row])
        document[part] = found
    return orjson.dumps(document).decode("utf-8")


def parse_snapshot(document: str, epoch: int, system: SystemRows | None = None) -> Snapshot:
    """Build the snapshot from a document that `SNAPSHOT_QUERY` returned, or `NORMAL_QUERY` where
    `system` completes it.

    Raises:
        SystemRowsChanged: a document of `NORMAL_QUERY` needs a newer `system`.
    """
    return _parse(orjson.loads(document), epoch, system)[0]


def parse_whole(document: str, epoch: int) -> tuple[Snapshot, SystemRows]:
    """The snapshot of a document of `SNAPSHOT_QUERY`, and what to keep of it for those of
    `NORMAL_QUERY`."""
    read = orjson.loads(document)
    snapshot, parts = _parse(read, epoch, None)
    system = system_rows(parts, snapshot, read["system"])
    return replace(snapshot, system=system.objects), system


def _parse(
    read: dict[str, Any], epoch: int, system: SystemRows | None
) -> tuple[Snapshot, dict[str, list[Row]]]:
    # json_agg over no rows is null.
    parts: dict[str, list[Row]] = {k: v or [] for k, v in read.items() if not isinstance(v, int)}
    kept: tuple[Function, ...] = ()
    if system is not None:
        parts = system.complete(read["system"], parts)
        kept = system.functions(parts)
    schemas: dict[str, str] = dict(parts["schemas"])
    types = _Types(parts, schemas)
    extensions = {(catalog, oid): name for catalog, oid, name in parts["extensions"]}
    code = HiddenCode(parts)
    columns = system.columns(parts) if system is not None else {}
    relations = tuple(_relations(parts, schemas, types, code, columns))
    objects = None
    if system is not None:
        relations, objects = system.share(relations)
    columns_of = {str(r.oid): tuple(c.name for c in r.columns) for r in relations}
    snapshot = Snapshot(
        database=read["database"],
        server_version=read["version"],
        epoch=epoch,
        schemas=frozenset(schemas.values()),
        relations=relations,
        functions=(
            *kept,
            *_functions(
                parts, schemas, types, extensions, columns_of, parts["functions"][len(kept) :]
            ),
        ),
        types=tuple(
            TypeInfo(
                oid=int(oid),
                schema=schemas[space],
                name=name,
                kind=kind,
                relation=int(relation),
                extension=extensions.get(("pg_type", oid)),
                code=code.of_type(oid),
            )
            for oid, space, name, kind, _, relation, *_ in parts["types"]
            if schemas[space] != "pg_catalog"
        ),
        operators=tuple(
            Operator(
                schema=schemas[space],
                name=name,
                left=types.name(left),
                right=types.name(right),
                extension=extensions.get(("pg_operator", oid)),
            )
            for oid, space, name, left, right in parts["operators"]
        ),
        roles=tuple(roles_of(parts, read["owner"], schemas)),
        database_oid=int(read.get("database_oid", 0)),
        event_code=code.event_code,
        system=objects,
    )
    return snapshot, parts


class _Types:
    """The types of one document: names under an empty search_path, base types, comparability."""

    def __init__(self, parts: Mapping[str, list[Row]], schemas: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        self._schema: dict[str, str] = {}
        self._visible: dict[str, bool] = {}
        self._kind: dict[str, str] = {}
        self._relation: dict[str, str] = {}
        self._element: dict[str, str] = {}
        self.category: dict[str, str] = {}
        self.collation: dict[str, str] = {}
        self.domain = {oid: (base, mod, text) for oid, base, mod, text in parts["domains"]}
        for oid, space, _, kind, category, relation, element, collation, _, shown in parts["types"]:
            self._schema[oid] = schemas[space]
            self._visible[oid] = shown
            self._kind[oid] = kind
            self._relation[oid] = relation
            self._element[oid] = str(element)
            self.category[oid] = category
            self.collation[oid] = collation
        for row in parts["types"]:
            self._names[row[0]] = self.qualified(row[0], row[8])
        self._comparable: dict[str, bool] = dict.fromkeys(map(str, parts["comparable"]), True)
        self._members: dict[str, list[str]] = defaultdict(list)
        for row in parts["columns"]:
            self._members[row[0]].append(row[3])

    def name(self, oid: str) -> str:
        """format_type(oid, NULL); `-` for none, as an operator without a left side has."""
        return self._names.get(oid, "-" if oid == "0" else UNKNOWN_TYPE)

    def qualified(self, oid: str, formatted: str) -> str:
        """What format_type would have said under an empty search_path."""
        # For an array it is the element's visibility that decides (format_type.c).
        if oid not in self._schema:
            return UNKNOWN_TYPE
        element = self._element[oid]
        named = element if element in self._schema else oid
        schema = self._schema[named]
        if schema == "pg_catalog":
            return formatted.removeprefix("pg_catalog.")
        if self._visible[named]:
            plain = schema.isascii() and schema.isidentifier() and schema == schema.lower()
            return f"{schema if plain else quote(schema)}.{formatted}"
        return formatted

    def base(self, oid: str) -> str:
        """The type itself, or what a domain comes down to."""
        return self.domain[oid][0] if oid in self.domain else oid

    def base_name(self, oid: str, formatted: str) -> str:
        """The base type's name with the domain's typmod; `formatted` is the type's own."""
        if oid not in self.domain:
            return formatted
        base, _, text = self.domain[oid]
        return self.name(base) if text is None else self.qualified(base, text)

    def comparable(self, oid: str) -> bool:
        """Whether GROUP BY works on it: the type cache's search for a default = (typcache.c)."""
        known = self._comparable.get(oid)
        if known is None:
            base, kind = self.base(oid), self._kind.get(oid, "")
            self._comparable[oid] = False  # a composite may hold an array of itself
            if base != oid:
                known = self.comparable(base)
            elif self._element.get(oid, "0") != "0":
                known = self.comparable(self._element[oid])
            elif kind == "c":
                known = all(map(self.comparable, self._members[self._relation[oid]]))
            else:
                known = kind in {"e", "r", "m"}
            self._comparable[oid] = known
        return known


def _relations(
    parts: Mapping[str, list[Row]],
    schemas: Mapping[str, str],
    types: _Types,
    code: HiddenCode,
    known: Mapping[str, tuple[Column, ...]],
) -> Iterable[Relation]:
    """`known`: the columns of the relations that come first, by OID."""
    collations = {
        oid: f"{quote(schema)}.{quote(name)}" for oid, schema, name in parts["collations"]
    }
    columns: dict[str, list[Column]] = defaultdict(list)
    kinds = {row[0]: row[3] for row in parts["relations"]}
    referenced = _references(parts)
    rows = parts["columns"][sum(map(len, known.values())) :]
    for owner, number, name, type_oid, formatted, not_null, generated, collation in rows:
        if formatted is None:
            type_name = types.name(type_oid)
        else:
            type_name = types.qualified(type_oid, formatted)
        base = types.base(type_oid)
        other = collation != "0" and collation != types.collation.get(base)
        columns[owner].append(
            Column(
                number=number,
                name=name,
                type_name=type_name,
                base_type=types.base_name(type_oid, type_name),
                category=types.category.get(base, UNKNOWN_CATEGORY),
                not_null=not_null,
                generated=generated,
                collation=collations[collation] if other else None,
                hashable=types.comparable(type_oid),
                row_types=tuple(
                    oid
                    for oid in code.rows_in(type_oid)
                    if kinds.get(str(oid), RelationKind.COMPOSITE_TYPE) in _HOLDS_ROWS
                ),
                references=tuple(referenced.get((owner, int(number)), ())),
            )
        )
    keys = {oid: tuple(numbers) for oid, numbers in parts["keys"]}
    parents: dict[str, list[int]] = defaultdict(list)
    for child, parent in parts["parents"]:
        parents[child].append(int(parent))
    definitions: dict[str, str] = dict(parts["views"])
    triggers, rules = set(map(str, parts["triggers"])), set(map(str, parts["rules"]))
    hanging = Hanging(parts, schemas)
    for oid, space, name, kind, temporary, row_security in parts["relations"]:
        yield Relation(
            oid=int(oid),
            schema=schemas[space],
            name=name,
            kind=RelationKind(kind),
            columns=known.get(oid) or tuple(columns[oid]),
            primary_key=keys.get(oid, ()),
            parents=tuple(parents[oid]),
            definition=definitions.get(oid),
            has_triggers=oid in triggers,
            has_rules=oid in rules,
            has_row_security=row_security,
            temporary=temporary,
            read_code=code.of_reading(oid),
            write_code=code.of_writing(oid),
            rests_on=hanging.of_relation(str(oid)),
        )


_HOLDS_ROWS = frozenset(RelationKind) - {
    RelationKind.COMPOSITE_TYPE,
    RelationKind.SEQUENCE,
    RelationKind.INDEX,
    RelationKind.PARTITIONED_INDEX,
}


def _references(
    parts: Mapping[str, list[Row]],
) -> Mapping[tuple[str, int], list[tuple[int, int]]]:
    """By column, the columns that foreign keys make it take its values from."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    # Documents saved by earlier releases do not have this part.
    for owner, keys, target, target_keys in parts.get("references", []):
        for number, referenced in zip(keys, target_keys, strict=True):
            found[str(owner), int(number)].append((int(target), int(referenced)))
    return found


def _functions(
    parts: Mapping[str, list[Row]],
    schemas: Mapping[str, str],
    types: _Types,
    extensions: Mapping[tuple[str, str], str],
    columns_of: Mapping[str, tuple[str, ...]],
    rows: list[Row],
) -> Iterable[Function]:
    composites = {row[0]: columns_of.get(row[5], ()) for row in parts["types"] if row[5] != "0"}
    owners = {str(oid): owner for oid, owner in parts.get("function_owners", ())}
    defining = set(map(str, parts.get("defining", ())))
    atomic = {oid: _atomic_body(text, arguments) for oid, text, arguments in parts["atomic"]}
    for (
        oid,
        space,
        name,
        kind,
        arguments,
        result,
        returns_set,
        volatility,
        language,
        modes,
        names,
        variadic,
        defaults,
        source,
        named,
    ) in rows:
        if modes is not None and not _RETURNED_MODES.isdisjoint(modes):
            labels = names or [""] * len(modes)
            out = tuple(
                label for label, mode in zip(labels, modes, strict=True) if mode in _RETURNED_MODES
            )
        else:
            out = composites.get(types.base(result), ())
        yield Function(
            oid=int(oid),
            schema=schemas[space],
            name=name,
            kind=kind,
            arguments=tuple(map(types.name, arguments.split())),
            result=types.name(result),
            returns_set=returns_set,
            volatility=volatility,
            language=language,
            result_columns=out,
            variadic=variadic,
            defaults=defaults,
            extension=extensions.get(("pg_proc", oid)),
            # An empty prosrc stands for a body kept as a tree (BEGIN ATOMIC, RETURN).
            source=atomic.get(oid) if source == "" else source,
            owner=owners.get(str(oid), ""),
            argument_names=_argument_names(*named) if named else (),
            defines=str(oid) in defining,
        )


def _argument_names(names: list[str], modes: str | None) -> tuple[str, ...]:
    """Those of IN, INOUT and VARIADIC arguments; all are IN where no modes are given."""
    kinds = modes or "i" * len(names)
    return tuple(name for name, mode in zip(names, kinds, strict=False) if mode in "ibv")


def _atomic_body(definition: str, arguments: str) -> str | None:
    """The part of pg_get_functiondef's text that is the body of a new-style SQL function.

    pg_get_function_sqlbody would say it at once, but PostgreSQL 13 has no such function. The
    argument list is skipped first: defaults in it are free text.
    """
    _, found, rest = definition.partition(f"({arguments})\n")
    _, language, options = rest.partition("\n LANGUAGE sql\n")
    if rest.startswith(" LANGUAGE sql\n"):  # a procedure has no RETURNS line
        language, options = " ", rest
    if not found or not language:
        return None
    for opening in ("BEGIN ATOMIC\n", "RETURN "):
        if options.startswith(opening):
            return options.strip()
        _, found, body = options.partition("\n" + opening)
        if found:
            return (opening + body).strip()
    return None
