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
class Digests:
    """What is compared besides numbers of rows: a digest for each thing by its name."""

    of: tuple[tuple[str, str], ...] = ()
    """Sorted pairs."""

    def to_json(self) -> str:
        return json.dumps(dict(self.of), ensure_ascii=False, sort_keys=True)

    @classmethod
    def made(cls, digests: Mapping[str, str]) -> Digests:
        return cls(tuple(sorted(digests.items())))

    @classmethod
    def from_json(cls, text: str) -> Digests:
        return cls.made({str(name): str(digest) for name, digest in json.loads(text).items()})

    def difference(self, restored: Digests, what: str) -> str:
        """The first names whose digests differ, as a sentence about `what` they are of; empty when
        there is no difference."""
        ours, theirs = dict(self.of), dict(restored.of)
        changed = sorted(
            name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
        )
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"{what} of {', '.join(changed[:3])}{more} differ" if changed else ""


class DumpFormat(enum.StrEnum):
    """How pg_dump writes, as its option --format takes it."""

    CUSTOM = "custom"
    """One file."""
    DIRECTORY = "directory"
    """A file for each table, several written at a time."""


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
    format: DumpFormat = DumpFormat.CUSTOM
    tables: tuple[int, ...] | None = None
    """OIDs of the relations whose rows are in it, sorted, partitioned tables and views among them;
    None: of all. The definitions of everything are in it either way."""
    checksums: Digests = Digests()
    """Of each table's rows in the snapshot, whatever their order."""
    definitions: Digests = Digests()
    """Of what the catalog said of each object in the snapshot."""
    key: str = ""
    """Which key it is encrypted with (`Key.id`); empty when it is not."""
    lsn: int | None = None
    """Where the server's WAL was when the snapshot was taken, in bytes."""
    object: str = ""
    """Where the dump is kept in place of `path`: `s3://BUCKET/PREFIX/NAME`; of a folder, how the
    names of its files begin."""
    tag: str = ""
    """What the location called these contents; it calls others otherwise."""

    looked_at: datetime | None = None
    """When its snapshot was taken, as `observing` dates looks and changes; None: by the clock."""

    @property
    def place(self) -> str:
        """Where the dump is; empty when there is none."""
        return self.object or (str(self.path) if self.path is not None else "")
