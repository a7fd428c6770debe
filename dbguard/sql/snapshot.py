"""What the catalog of one database held at one moment: the names analysis resolves against.

Values come from pg_catalog (`dbguard.catalog.loading` builds them) or from a saved file; see
PostgreSQL's documentation, chapter "System Catalogs". Immutable, picklable, comparable.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter, is_

FIRST_NORMAL_OID = 16384
"""The server's own objects have lower OIDs (transam.h, FirstNormalObjectId)."""


class RelationKind(enum.StrEnum):
    """pg_class.relkind."""

    TABLE = "r"
    PARTITIONED_TABLE = "p"
    VIEW = "v"
    MATERIALIZED_VIEW = "m"
    FOREIGN_TABLE = "f"
    SEQUENCE = "S"
    COMPOSITE_TYPE = "c"
    TOAST_TABLE = "t"
    INDEX = "i"
    PARTITIONED_INDEX = "I"


RULE = 0
"""Stands among functions that run unseen for a rewrite rule: whole statements."""


@dataclass(frozen=True, slots=True)
class Column:
    """One user column of a relation (pg_attribute with attnum > 0, not dropped)."""

    number: int
    """pg_attribute.attnum."""
    name: str
    type_name: str
    """format_type(atttypid, atttypmod) under an empty search_path: `text`, `clinic.sex`."""
    base_type: str
    """The same with domains followed to their base type, typmod kept: `character varying(11)`."""
    category: str
    """pg_type.typcategory of the base type: S string, D date/time, N numeric, A array, U, E …"""
    not_null: bool = False
    generated: bool = False
    """GENERATED ALWAYS AS (…) STORED or VIRTUAL."""
    collation: str | None = None
    """`"schema"."name"`, only when it is not the type's default."""
    hashable: bool = True
    """Whether the type has an equality operator usable by GROUP BY (json, xml, point have not)."""
    row_types: tuple[int, ...] = ()
    """OIDs of relations whose rows a value can hold: by its own type, or inside an array, domain,
    range or composite."""
    references: tuple[tuple[int, int], ...] = ()
    """(relation OID, attribute number) of columns whose values a foreign key makes it take."""

    def __reduce__(self) -> tuple[type[Column], tuple[object, ...]]:
        """What `dataclass` does for classes with slots takes three times as long, and a snapshot
        holds thousands of them."""
        return Column, _fields_of_column(self)


_fields_of_column = attrgetter(*Column.__match_args__)


@dataclass(frozen=True, order=True, slots=True)
class Support:
    """An object that is not the server's own, as DROP would name it."""

    kind: str
    """`relation`, `type` (domains too), `function` (of any kind), `operator`, `collation`,
    `extension`, `foreign_server`, `fdw`, `language`; for the rest their catalog, without names."""
    schema: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """One pg_class row that can be named in a statement."""

    oid: int
    schema: str
    name: str
    kind: RelationKind
    columns: tuple[Column, ...]
    primary_key: tuple[int, ...] = ()
    """Attribute numbers of the primary key; GROUP BY on them implies the other columns."""
    parents: tuple[int, ...] = ()
    """pg_inherits.inhparent: partitioned tables and inheritance parents."""
    definition: str | None = None
    """pg_get_viewdef under an empty search_path, for views and materialized views."""
    has_triggers: bool = False
    """User triggers (pg_trigger, not internal)."""
    has_rules: bool = False
    """Rewrite rules other than a view's own _RETURN."""
    has_row_security: bool = False
    temporary: bool = False
    read_code: tuple[int, ...] = ()
    """OIDs of functions, other than the server's own, that may run when rows are read: those of
    row security policies and of the columns' types."""
    write_code: tuple[int, ...] = ()
    """The same for writing: triggers, defaults, checks, rules, index expressions; those of
    children, of tables that foreign keys write to in passing, and of what a view writes to."""
    rests_on: tuple[Support, ...] = ()
    """What it, or a part of it, depends on, however far: with any of these dropped by CASCADE it
    loses something. Foreign keys, parents and the server's own objects are not among them."""
    column_by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    column_by_number: Mapping[int, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column_by_name", {c.name: c for c in self.columns})
        object.__setattr__(self, "column_by_number", {c.number: c for c in self.columns})

    def __reduce__(self) -> tuple[type[Relation], tuple[object, ...]]:
        return Relation, _fields_of_relation(self)

    def column(self, number: int) -> Column | None:
        """The column with this attribute number, or None (system and dropped columns)."""
        return self.column_by_number.get(number)


_fields_of_relation = attrgetter(*Relation.__match_args__)


@dataclass(frozen=True, slots=True)
class Function:
    """One pg_proc row. Functions of pg_catalog are there too (kind, volatility, arguments)."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_proc.prokind: f function, p procedure, a aggregate, w window."""
    arguments: tuple[str, ...]
    """format_type of each input argument (proargtypes), under an empty search_path."""
    result: str
    """format_type of prorettype."""
    returns_set: bool
    volatility: str
    """i immutable, s stable, v volatile."""
    language: str
    result_columns: tuple[str, ...] = ()
    """Names of OUT/TABLE columns, when it has any; else those of the composite it returns."""
    variadic: bool = False
    defaults: int = 0
    """pronargdefaults."""
    extension: str | None = None
    """Name of the extension that owns it (pg_depend deptype 'e')."""
    source: str | None = None
    """Body of a LANGUAGE sql function outside pg_catalog, string or BEGIN ATOMIC."""
    owner: str = ""
    """Role that may replace it; empty for the server's own, and in older saved snapshots."""
    argument_names: tuple[str, ...] = ()
    """Names of the input arguments of such a function, in order; empty where it has none."""
    defines: bool = False
    """It is volatile, and its source has CREATE or ALTER of something in it that lasts: it may run
    DDL."""

    @property
    def signature(self) -> str:
        """`schema.name(type, type)`, the form rules use to declare a function safe."""
        return f"{self.schema}.{self.name}({', '.join(self.arguments)})"

    def __reduce__(self) -> tuple[type[Function], tuple[object, ...]]:
        return Function, _fields_of_function(self)


_fields_of_function = attrgetter(*Function.__match_args__)


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """One pg_type row outside pg_catalog (user types, domains, enums, composites)."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_type.typtype: b base, c composite, d domain, e enum, r range, m multirange, p pseudo."""
    relation: int = 0
    """typrelid for composite types, else 0."""
    extension: str | None = None
    code: tuple[int, ...] = ()
    """OIDs of functions, other than the server's own, that may run when a value is made or cast:
    checks of domains, user-defined casts; those of the types it is made of."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One pg_operator row outside pg_catalog."""

    schema: str
    name: str
    left: str
    right: str
    extension: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """One pg_roles row."""

    name: str
    superuser: bool
    bypass_rls: bool
    memberships: frozenset[str]
    """Roles it is a member of, directly or not, itself included."""
    hidden_schemas: frozenset[str]
    """Schemas on which it lacks USAGE: PostgreSQL skips them in search_path."""
    settings: tuple[tuple[str, str], ...] = ()
    """ALTER ROLE … SET and ALTER DATABASE … SET values that apply, name and value."""


@dataclass(frozen=True, eq=False, slots=True)
class SystemObjects:
    """What of a snapshot is the server's own: the same over many snapshots."""

    functions: tuple[Function, ...]
    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class Snapshot:
    """The catalog of one database."""

    database: str
    server_version: int
    """server_version_num, e.g. 180006."""
    epoch: int
    """Grows with every change that dbguard noticed; part of every cache key."""
    schemas: frozenset[str]
    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]
    types: tuple[TypeInfo, ...] = ()
    operators: tuple[Operator, ...] = ()
    roles: tuple[Role, ...] = ()
    definition_path: tuple[str, ...] = ("pg_catalog",)
    """The search_path under which view definitions were deparsed: names in them that stand
    unqualified are found there."""
    database_oid: int = 0
    event_code: tuple[int, ...] = ()
    """OIDs of functions that event triggers run, but for those of known extensions."""
    system: SystemObjects | None = field(default=None, compare=False, repr=False)
    """What `functions` and `relations` begin with, where the server's own objects are kept."""

    def without_system(self) -> Snapshot:
        """The rest of it, for `with_system` to put together again; itself if it cannot be taken
        apart."""
        own = self.system
        if own is None or not (
            _begins(self.functions, own.functions) and _begins(self.relations, own.relations)
        ):
            return replace(self, system=None)
        return replace(
            self,
            functions=self.functions[len(own.functions) :],
            relations=self.relations[len(own.relations) :],
            system=None,
        )

    def with_system(self, own: SystemObjects) -> Snapshot:
        """What `without_system` was called of."""
        return replace(
            self,
            functions=own.functions + self.functions,
            relations=own.relations + self.relations,
            system=own,
        )

    @cached_property
    def relation_by_oid(self) -> Mapping[int, Relation]:
        return {r.oid: r for r in self.relations}

    @cached_property
    def relation_by_name(self) -> Mapping[tuple[str, str], Relation]:
        return {(r.schema, r.name): r for r in self.relations}

    @property
    def event_functions(self) -> tuple[Function, ...]:
        return tuple(self.function_by_oid[oid] for oid in self.event_code)

    @cached_property
    def functions_by_name(self) -> Mapping[str, tuple[Function, ...]]:
        found: dict[str, list[Function]] = {}
        for function in self.functions:
            found.setdefault(function.name, []).append(function)
        return {name: tuple(group) for name, group in found.items()}

    @cached_property
    def function_by_oid(self) -> Mapping[int, Function]:
        return {f.oid: f for f in self.functions}

    @cached_property
    def types_by_name(self) -> Mapping[str, tuple[TypeInfo, ...]]:
        found: dict[str, list[TypeInfo]] = {}
        for info in self.types:
            found.setdefault(info.name, []).append(info)
        return {name: tuple(group) for name, group in found.items()}

    @cached_property
    def has_coded_types(self) -> bool:
        """Whether functions run behind any type."""
        return any(info.code for info in self.types)

    @cached_property
    def role_by_name(self) -> Mapping[str, Role]:
        return {r.name: r for r in self.roles}

    @cached_property
    def operators_by_name(self) -> Mapping[str, tuple[Operator, ...]]:
        found: dict[str, list[Operator]] = {}
        for operator in self.operators:
            found.setdefault(operator.name, []).append(operator)
        return {name: tuple(group) for name, group in found.items()}

    def take_over(self, other: Snapshot) -> None:
        """Take indexes over from a snapshot that differs in relations only."""
        for name in (
            "functions_by_name",
            "function_by_oid",
            "types_by_name",
            "has_coded_types",
            "role_by_name",
            "operators_by_name",
        ):
            self.__dict__[name] = getattr(other, name)

    def find_relation(
        self, schema: str | None, name: str, path: tuple[str, ...]
    ) -> Relation | None:
        """Resolve a relation name as PostgreSQL's RangeVarGetRelid does.

        `path` is the session's effective path in look-up order (current_schemas(true)).
        """
        if schema is not None:
            return self.relation_by_name.get((schema, name))
        for candidate in path:
            if found := self.relation_by_name.get((candidate, name)):
                return found
        return None


def _begins(whole: tuple[object, ...], part: tuple[object, ...]) -> bool:
    return len(whole) >= len(part) and all(map(is_, whole, part))


@dataclass(frozen=True, slots=True)
class SessionView:
    """What of a session changes the meaning of a text."""

    user: str
    """current_user."""
    search_path: tuple[str, ...]
    """Effective path, look-up order, pg_temp_N and pg_catalog included: current_schemas(true)."""
