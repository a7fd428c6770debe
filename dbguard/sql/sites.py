"""Where in the text a statement names what: the border between resolver and rewrite.

All offsets are bytes into the UTF-8 text of the whole message, as the referee reports them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .facts import StatementFacts


class SiteRole(enum.StrEnum):
    READ = "read"
    """FROM item, USING item, or `TABLE x`: may be replaced by a masked relation."""
    TARGET = "target"
    """What INSERT, UPDATE, DELETE, MERGE or COPY FROM writes: only qualified, never replaced."""
    COPY = "copy"
    """`COPY x TO`: replaced by a query in parentheses."""
    NAME = "name"
    """Any other mention (DDL, LOCK, TRUNCATE …): only qualified."""


@dataclass(frozen=True, slots=True)
class RelationSite:
    """One mention of one relation."""

    relation: int
    """OID in the snapshot."""
    start: int
    """Offset of the name's first token (RangeVar.location): after ONLY, schema first."""
    role: SiteRole
    alias: str | None
    """Alias in the text, folded; None when there is none."""
    has_column_aliases: bool
    qualified: bool
    """A schema stands in the text."""
    inherits: bool
    """False after ONLY."""
    sampled: bool
    """TABLESAMPLE follows."""
    columns: frozenset[int]
    """Attribute numbers the statement refers to through this mention; negative ones are system
    columns."""
    whole: bool
    """`*`, a whole-row reference or NATURAL: every column is needed, in order."""
    renamed: str | None = None
    """Alias to generate instead of the relation's own name: two sites of one FROM clause would
    clash once their schema qualifiers are gone."""


@dataclass(frozen=True, slots=True)
class QualifiedReference:
    """`schema.table.column` or `db.schema.table.*`: the qualifier in front of the table has to be
    cut when its site is replaced."""

    start: int
    """Offset of the reference's first token."""
    qualifiers: int
    """Number of parts in front of the table name (1 or 2)."""
    site: int
    """Index into `Reading.relations`."""


@dataclass(frozen=True, slots=True)
class GroupDependency:
    """A SELECT that groups by a primary key and uses other columns of that relation ungrouped
    (SQL's functional dependency): they have to be listed once the relation is replaced."""

    first_item: int
    """Offset of the first token of the GROUP BY list's first item (after ALL/DISTINCT)."""
    site: int
    columns: tuple[int, ...]
    """Attribute numbers to add."""
    grouping_sets: bool
    """GROUPING SETS, ROLLUP or CUBE are used: cannot be repaired by adding columns."""


@dataclass(frozen=True, slots=True)
class BuiltinCall:
    """A call of a pg_catalog function that can't stay as it is."""

    start: int
    pin: bool = True
    """It stands with its bare name, although a visible schema of the session holds a function of
    that name too: needs `pg_catalog.` in front."""
    definition: str | None = None
    """Name of a function that shows a definition: values are taken out of it (`definitions`)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One statement of a text, understood."""

    facts: StatementFacts
    start: int
    end: int
    """Extent of the statement in the text, without its semicolon."""
    relations: tuple[RelationSite, ...] = ()
    references: tuple[QualifiedReference, ...] = ()
    groups: tuple[GroupDependency, ...] = ()
    calls: tuple[BuiltinCall, ...] = ()
    free: tuple[int, ...] | None = None
    """Offsets of its free literals (`free_literals`); None in a string of several statements, and
    for statements of other kinds."""
