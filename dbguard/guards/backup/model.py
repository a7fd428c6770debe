"""The values of this package: a backup and what it is a backup of."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

Clock = Callable[[], datetime]
"""Gives the present moment with a time zone."""


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """Which database, so that a backup of another one with the same name does not count."""

    server: str
    """The cluster's system identifier; `address:HOST:PORT` where the server does not tell it."""
    name: str
    oid: int
    """Changes when the database is dropped and created again."""


class BackupStatus(enum.StrEnum):
    VERIFIED = "verified"
    """Restored, and every table had the rows the snapshot had."""
    FAILED = "failed"
    """Not made, not restorable, or found changed later. Never counts."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of every table in a snapshot. Large objects are counted under `LARGE_OBJECTS`."""

    tables: tuple[tuple[str, int], ...]
    """Sorted pairs of `schema.table` and rows."""

    LARGE_OBJECTS = "(large objects)"

    @property
    def rows(self) -> int:
        return sum(count for _, count in self.tables)

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps(dict(self.tables), ensure_ascii=False, sort_keys=True)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> RowCounts:
        return cls(tuple(sorted(counts.items())))

    @classmethod
    def from_json(cls, text: str) -> RowCounts:
        return cls.of({str(name): int(count) for name, count in json.loads(text).items()})

    def difference(self, restored: RowCounts) -> str:
        """The first tables that differ, as a sentence; empty when there is no difference."""
        ours, theirs = dict(self.tables), dict(restored.tables)
        lines = []
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in theirs:
                lines.append(f"{name} is missing from the restored copy")
            elif name not in ours:
                lines.append(f"{name} is only in the restored copy")
            elif ours[name] != theirs[name]:
                lines.append(f"{name} has {theirs[name]} rows instead of {ours[name]}")
        more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        return ", ".join(lines[:3]) + more


@dataclass(frozen=True, slots=True)
class Backup:
    """One attempt to make a backup, as the registry remembers it."""

    id: str
    database: DatabaseIdentity
    snapshot_at: datetime
    """When the snapshot was taken: later changes are not in the dump."""
    finished_at: datetime
    status: BackupStatus
    path: Path | None = None
    """The dump; None when the attempt left none."""
    bytes: int = 0
    sha256: str = ""
    verified_at: datetime | None = None
    """The last time it was restored and compared with success."""
    counts: RowCounts = RowCounts(())
    tool: str = ""
    """`pg_dump (PostgreSQL) 18.1` and the like."""
    error: str = ""
    """Why it failed, without any value from the database."""
