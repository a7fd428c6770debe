"""The registry of backups: one SQLite file, in WAL mode so that reading never waits.

Every row is a finished attempt; there is no state "running", so a crash leaves nothing half
registered.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.model import (
    Backup,
    BackupStatus,
    DatabaseIdentity,
    Digests,
    DumpFormat,
    RowCounts,
)

VERSION: Final = 3
"""2 has how a dump was written, what is in it, and what was compared; 3 has other locations than
the directory, and moments of looks."""
_COMPONENT: Final = "backups"
_BUSY_SECONDS: Final = 5.0
"""How long to wait for another writer; writes take milliseconds."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS backups (
    id TEXT PRIMARY KEY,
    server TEXT NOT NULL,
    database TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    snapshot_at TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('verified', 'failed')),
    path TEXT,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    verified_at TEXT,
    row_counts TEXT NOT NULL,
    row_counts_digest TEXT NOT NULL,
    tool TEXT NOT NULL,
    error TEXT NOT NULL,
    format TEXT NOT NULL DEFAULT 'custom',
    tables TEXT,
    checksums TEXT NOT NULL DEFAULT '{}',
    definitions TEXT NOT NULL DEFAULT '{}',
    key TEXT NOT NULL DEFAULT '',
    lsn INTEGER,
    object TEXT NOT NULL DEFAULT '',
    tag TEXT NOT NULL DEFAULT '',
    looked_at TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS backups_by_database ON backups (database, snapshot_at);
"""
_ADDED: Final = {
    2: (
        "format TEXT NOT NULL DEFAULT 'custom'",
        "tables TEXT",
        "checksums TEXT NOT NULL DEFAULT '{}'",
        "definitions TEXT NOT NULL DEFAULT '{}'",
        "key TEXT NOT NULL DEFAULT ''",
        "lsn INTEGER",
    ),
    3: ("object TEXT NOT NULL DEFAULT ''", "tag TEXT NOT NULL DEFAULT ''", "looked_at TEXT"),
}
"""Columns that later versions added."""
_COLUMNS: Final = (
    "id, server, database, database_oid, snapshot_at, finished_at, status, path, bytes, sha256, "
    "verified_at, row_counts, row_counts_digest, tool, error, format, tables, checksums, "
    "definitions, key, lsn, object, tag, looked_at"
)


class BackupRegistry:
    """Reads and writes the registry. Blocking; call it off the event loop.

    Every method raises BackupError when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, backup: Backup) -> None:
        """Enter a finished attempt."""
        marks = ", ".join("?" * (_COLUMNS.count(",") + 1))
        with self._open(create=True) as connection:
            connection.execute(
                f"INSERT INTO backups ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
                _to_row(backup),
            )

    def set_verification(self, backup: Backup) -> None:
        """Store the result of verifying again: status, time and error of `backup`."""
        with self._open(create=True) as connection:
            connection.execute(
                "UPDATE backups SET status = ?, verified_at = ?, error = ? WHERE id = ?",
                (
                    backup.status.value,
                    backup.verified_at.isoformat() if backup.verified_at else None,
                    backup.error,
                    backup.id,
                ),
            )

    def all(self, database: str | None = None) -> tuple[Backup, ...]:
        """All attempts (of one database), newest snapshot first; none when there is no file."""
        if not self.path.exists():
            return ()
        where, values = (" WHERE database = ?", (database,)) if database is not None else ("", ())
        with self._open(create=False) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM backups{where} "  # noqa: S608 - constants
                "ORDER BY snapshot_at DESC, id",
                values,
            ).fetchall()
        return tuple(self._from_row(row) for row in rows)

    def remove(self, backup_id: str) -> None:
        """Forget an attempt whose file was removed."""
        with self._open(create=True) as connection:
            connection.execute("DELETE FROM backups WHERE id = ?", (backup_id,))

    def get(self, backup_id: str) -> Backup | None:
        """One attempt, by its id."""
        return next((backup for backup in self.all() if backup.id == backup_id), None)

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        try:
            if create:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600, exist_ok=True)
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS
            )
            try:
                with connection:
                    self._prepare(connection)
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise BackupError(
                "backup registry cannot be used",
                detail=f"{self.path}: {error.sqlite_errorname}."
                if hasattr(error, "sqlite_errorname")
                else f"{self.path} is not a registry of this release.",
                hint="Check the permissions and the free space, or restore the file.",
            ) from None
        except OSError as error:
            raise BackupError(
                "backup registry cannot be used",
                detail=f"{self.path}: {(error.strerror or 'input/output error').lower()}.",
                hint="Check that the directory exists and may be written.",
            ) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # A registered backup opens the way for DDL, so it must survive a power failure.
        connection.execute("PRAGMA synchronous = FULL")
        known = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'"
        ).fetchone()
        found = (
            known
            and connection.execute(
                "SELECT version FROM schema_versions WHERE component = ?", (_COMPONENT,)
            ).fetchone()
        )
        if found is None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            connection.execute(
                "INSERT OR IGNORE INTO schema_versions VALUES (?, ?)", (_COMPONENT, VERSION)
            )
        elif 1 <= found[0] < VERSION:
            self._bring_up(connection)
        elif found[0] != VERSION:
            raise BackupError(
                f"backup registry has version {found[0]}",
                detail=f"This release reads version {VERSION} ({self.path}).",
                hint="Use the dbguard release that wrote it, or a newer one.",
            )

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (found,) = connection.execute(
            "SELECT version FROM schema_versions WHERE component = ?", (_COMPONENT,)
        ).fetchone()
        for version in range(found + 1, VERSION + 1):  # none where somebody did it meanwhile
            for column in _ADDED[version]:
                connection.execute(f"ALTER TABLE backups ADD COLUMN {column}")
            connection.execute(
                "UPDATE schema_versions SET version = ? WHERE component = ?", (version, _COMPONENT)
            )
        connection.commit()

    def _from_row(self, row: tuple[object, ...]) -> Backup:
        try:
            return _from_row(row)
        except (ValueError, TypeError, AttributeError):
            raise BackupError(
                "backup registry holds a row that cannot be read",
                detail=f"The row is damaged or was written by hand ({self.path}).",
                hint="Restore the file, or remove it and take new backups.",
            ) from None


def _to_row(backup: Backup) -> tuple[object, ...]:
    return (
        backup.id,
        backup.database.server,
        backup.database.name,
        backup.database.oid,
        backup.snapshot_at.isoformat(),
        backup.finished_at.isoformat(),
        backup.status.value,
        str(backup.path) if backup.path else None,
        backup.bytes,
        backup.sha256,
        backup.verified_at.isoformat() if backup.verified_at else None,
        backup.counts.to_json(),
        backup.counts.digest,
        backup.tool,
        backup.error,
        backup.format.value,
        None if backup.tables is None else json.dumps(backup.tables),
        backup.checksums.to_json(),
        backup.definitions.to_json(),
        backup.key,
        backup.lsn,
        backup.object,
        backup.tag,
        backup.looked_at.isoformat() if backup.looked_at else None,
    )


def _from_row(row: tuple[object, ...]) -> Backup:
    identifier, server, database, oid, snapshot, finished, status, path, size, sha256 = row[:10]
    verified, counts_json, digest, tool, error = row[10:15]
    form, tables, checksums, definitions, key, lsn, kept, tag, looked = row[15:]
    counts = RowCounts.from_json(str(counts_json))
    if counts.digest != digest:
        raise ValueError("digest")
    return Backup(
        id=str(identifier),
        database=DatabaseIdentity(str(server), str(database), int(str(oid))),
        snapshot_at=_moment(snapshot),
        finished_at=_moment(finished),
        status=BackupStatus(str(status)),
        path=Path(str(path)) if path is not None else None,
        bytes=int(str(size)),
        sha256=str(sha256),
        verified_at=_moment(verified) if verified is not None else None,
        counts=counts,
        tool=str(tool),
        error=str(error),
        format=DumpFormat(str(form)),
        tables=None if tables is None else tuple(int(oid) for oid in json.loads(str(tables))),
        checksums=Digests.from_json(str(checksums)),
        definitions=Digests.from_json(str(definitions)),
        key=str(key),
        lsn=int(str(lsn)) if lsn is not None else None,
        object=str(kept),
        tag=str(tag),
        looked_at=_moment(looked) if looked is not None else None,
    )


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
