"""What a provider tells of a backup, and what a statement would lose: both sides of a verdict.

A *provider* is one way to learn of backups: dbguard's own registry, another tool's inventory, an
answer over HTTP. Each is one file behind `Provider`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification


@dataclass(frozen=True, slots=True)
class Affected:
    """One object of the catalog that a statement would destroy, as the server knows it now."""

    kind: str
    """`table`, `function`, `schema` …, as pg_identify_object() calls it."""
    oid: int
    schema: str
    """Empty for what is in none."""
    name: str
    """For people, as the server writes it: `clinic.patients`, `clinic.bmi(numeric)`."""
    unchanged_since: datetime
    """It has been as it is now since this moment at least: a backup from before may hold it
    otherwise, or not at all."""
    beyond: str = ""
    """Why no dump holds it, behind its name."""
    rows: bool = True
    """More than its definition would be destroyed."""


_NAMED: Final = frozenset({"table", "materialized view", "sequence"})
"""What somebody who speaks of the tables in a backup may mean."""
_WITH_ROWS: Final = frozenset({"table", "large object"})
"""What is more than its definition. A materialized view is made again from what it reads."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which part of a database is in a backup."""

    everything: bool = True
    schemas: frozenset[str] = frozenset()
    """Schemas with all that is in them."""
    relations: frozenset[int] = frozenset()
    """OIDs of relations with their rows and definitions."""
    definitions: bool = False
    """The definitions of everything are in it, with the rows of `relations` only."""
    tables: frozenset[str] = frozenset()
    """The same by name, `schema.name` as the server writes it, where a provider knows no OIDs."""
    cluster: bool = False
    """All databases of the server are in it, and what they share."""

    def holds(self, affected: Affected) -> bool:
        """Whether `affected` is in the backup, if it was there when that was made."""
        if self.everything or affected.oid in self.relations:
            return True
        if self.definitions and (affected.kind not in _WITH_ROWS or not affected.rows):
            return True
        if affected.kind in _NAMED and affected.name in self.tables:
            return True
        return affected.schema in self.schemas


WHOLE: Final = Coverage()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One backup, as a provider tells of it."""

    id: str
    provider: str
    """Name of the provider, as rules write it."""
    taken_at: datetime
    """The database as it was at this moment, or later, comes back."""
    verification: Verification
    verified_at: datetime | None = None
    digest: str = ""
    """SHA-256 or the tool's own checksum of what was stored; empty where there is none."""
    lsn: int | None = None
    """WAL position of `taken_at`, in bytes; None where the provider does not tell."""
    coverage: Coverage = WHOLE
    flaw: str = ""
    """Why it does not count, whatever is asked for: `its file is missing`. Lower case, no full
    stop, no value."""
    finished_at: datetime | None = None
    size: int | None = None
    """Bytes of the data that are in it."""
    looked_at: datetime | None = None
    """`taken_at` as dbguard dates what it has seen of the catalog itself; None: nobody looked."""
    note: str = ""
    """Why it is not proven further, as a line for people: its check is under way."""


class Provider(Protocol):
    """One way to learn of backups."""

    @property
    def name(self) -> str:
        """As rules write it."""

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        """All backups of `database` that it knows, in any order; those that cannot count have a
        flaw.

        Raises:
            BackupError: it cannot be found out. No backup of this provider counts then.
        """
