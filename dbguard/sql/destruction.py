"""What one statement can destroy: the border between analysis and those who ask for backups.

*Destroyed* is what running the statement may make impossible to get back from the database alone:
rows, definitions, values, rights. What only adds to the database is *additive*: nothing is
destroyed. Values only; `resolver/destroying.py` finds them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace


class Reach(enum.IntEnum):
    """How far a statement's effect may go beyond what is named here."""

    NAMED = 0
    """What is named, and no more."""
    OWNED = 1
    """What is named and what goes along with it without being asked for: indexes, triggers, owned
    sequences, partitions."""
    DEPENDANTS = 2
    """What is named and what depends on it: CASCADE."""
    DATABASE = 3
    """Anything in this database: code that analysis cannot see through, DROP OWNED."""
    CLUSTER = 4
    """The database as a whole, another one, or what all databases share: roles, tablespaces."""
    ELSEWHERE = 5
    """Rows of foreign tables: they are on another server."""


@dataclass(frozen=True, slots=True)
class DestroyedRelation:
    """A table, view, materialized view, foreign table or sequence with its rows and definition."""

    oid: int
    """0 when it is not known: made by an earlier statement that no catalog shows yet."""
    schema: str
    name: str
    parts: tuple[tuple[str, str], ...] = ()
    """Kind and name of what alone is concerned: columns, constraints, triggers, rules, policies.
    Where none of them is there, nothing is lost. Empty: the relation as a whole."""

    @property
    def with_rows(self) -> bool:
        """Whether more than definitions may be lost."""
        return not self.parts or any(kind == "column" for kind, _ in self.parts)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DestroyedObject:
    """Anything else, by the name that the statement gives it."""

    kind: str
    """PostgreSQL's object type in lower case: index, function, type, extension, role …"""
    schema: str | None
    """None when it has none, or where it was not written."""
    name: str

    def __str__(self) -> str:
        name = f"{self.schema}.{self.name}" if self.schema else self.name
        return f"{self.kind} {name}"


@dataclass(frozen=True, slots=True)
class Destruction:
    """What one statement, or several together, can destroy."""

    relations: tuple[DestroyedRelation, ...] = ()
    objects: tuple[DestroyedObject, ...] = ()
    schemas: tuple[str, ...] = ()
    """Schemas that go with all that is in them."""
    reach: Reach = Reach.NAMED
    database: str = ""
    """The one database that goes as a whole: DROP DATABASE."""
    ties: bool = False
    """It ties a relation to another one that may take it along later: an inheritance, a partition,
    a foreign key. Nothing is destroyed by that."""
    reason: str = ""
    """Why, in some words for records and refusals: `dropping clinic.claims with what depends on
    it`. Lower case, no full stop, no value."""

    @property
    def additive(self) -> bool:
        """Whether nothing is destroyed."""
        named = self.relations or self.objects or self.schemas
        return not named and self.reach <= Reach.DEPENDANTS

    @property
    def everything(self) -> bool:
        """Whether no list of names tells what may be lost."""
        return self.reach >= Reach.DATABASE

    @property
    def names(self) -> tuple[str, ...]:
        """What is named, for people."""
        schemas = (f"schema {name}" for name in self.schemas)
        relations = dict.fromkeys(map(str, self.relations))
        return (*relations, *map(str, self.objects), *schemas)


ADDITIVE = Destruction()
"""Nothing is destroyed."""


def together(parts: Iterable[Destruction]) -> Destruction:
    """What several statements destroy, one after the other."""
    every = tuple(parts)
    ties = any(part.ties for part in every)
    found = [part for part in every if not part.additive]
    if len(found) < 2:
        return replace(found[0] if found else ADDITIVE, ties=ties)
    return Destruction(
        tuple(dict.fromkeys(r for part in found for r in part.relations)),
        tuple(dict.fromkeys(o for part in found for o in part.objects)),
        tuple(dict.fromkeys(s for part in found for s in part.schemas)),
        max(part.reach for part in found),
        ties=ties,
        reason="; ".join(dict.fromkeys(part.reason for part in found if part.reason)),
    )
