"""Since when each object of a catalog is what it is now: remembered in the state file.

Whoever reads the catalog (a guard that is asked, a backup that is taken) has what it saw compared
with what was seen before. What is the same has been so since it was first seen; what is new or
different has been so since now at the earliest. So a change is never dated too early, whoever
made it, through dbguard or past it, and whether dbguard ran or not: it is noticed at the next
look, and a backup that was made before that look does not count.

Looks follow one another, whatever the clock says: the moment of the last one is remembered too, a
look is never dated before the one before, and what it finds changed is dated behind that. Every
backup of dbguard's own is a look, and keeps the moment of that: compared with changes by these
moments, it counts or does not count for what happened before or after it, also where the clock was
wrong for a while or is set back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.catalog_states import Key, ObjectState
from dbguard.guards.backup.model import DatabaseIdentity

VERSION: Final = 2
"""2 remembers the last look at each database."""
_COMPONENT: Final = "catalog objects"
_BUSY_SECONDS: Final = 10.0
"""How long to wait for another writer; tens of thousands of objects take tenths of a second."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS catalog_objects (
    server TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    class INTEGER NOT NULL,
    oid INTEGER NOT NULL,
    digest TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (server, database_oid, class, oid)
) STRICT, WITHOUT ROWID;
"""
_LOOKS: Final = """
CREATE TABLE IF NOT EXISTS catalog_looks (
    server TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (server, database_oid)
) STRICT, WITHOUT ROWID
"""
_NEXT: Final = timedelta(microseconds=1)
"""The least that moments are told apart by."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look found."""

    since: Mapping[Key, datetime]
    """Since when each object is as it is."""
    moment: datetime
    """Of the look itself, behind all looks before it: nothing it has seen is younger."""


class CatalogMemory:
    """Reads and writes what was seen. Blocking; call it off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def observe(
        self, database: DatabaseIdentity, states: Iterable[ObjectState], at: datetime
    ) -> Observed:
        """Since when each of `states`, seen when the clock said `at`, is as it is.

        `states` are all objects of the database. Durable when it returns. Raises BackupError.
        """
        own = (database.server, database.oid)
        with self._open() as connection:
            known = {
                (int(class_), int(oid)): (str(digest), str(since))
                for class_, oid, digest, since in connection.execute(
                    "SELECT class, oid, digest, since FROM catalog_objects "
                    "WHERE server = ? AND database_oid = ?",
                    own,
                )
            }
            last = _last_look(connection, own, [since for _, since in known.values()])
            behind = at if last is None or at >= last else last + _NEXT
            now = behind.astimezone(UTC).isoformat()
            seen = {state.key: state.digest for state in states}
            changed = [
                (*own, *key, digest, now)
                for key, digest in seen.items()
                if key not in known or known[key][0] != digest
            ]
            gone = [(*own, *key) for key in known.keys() - seen.keys()]
            connection.executemany(
                "INSERT OR REPLACE INTO catalog_objects VALUES (?, ?, ?, ?, ?, ?)", changed
            )
            connection.executemany(
                "DELETE FROM catalog_objects "
                "WHERE server = ? AND database_oid = ? AND class = ? AND oid = ?",
                gone,
            )
            moment = behind if changed or last is None else max(at, last)
            if moment != last:
                connection.execute(
                    "INSERT OR REPLACE INTO catalog_looks VALUES (?, ?, ?)", (*own, now)
                )
        found = {key: datetime.fromisoformat(since) for key, (_, since) in known.items()}
        return Observed(found | {(row[2], row[3]): behind for row in changed}, moment)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare(connection)
                # what is read here must not be written by somebody else before it is written back
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()
        except (sqlite3.Error, ValueError) as error:
            name = getattr(error, "sqlite_errorname", "it is damaged")
            raise BackupError(
                "registry of catalog objects cannot be used",
                detail=f"{self._path}: {name}.",
                hint="Check the permissions and the free space, or restore the file.",
            ) from None
        except OSError as error:
            raise BackupError(
                "registry of catalog objects cannot be used",
                detail=f"{self._path}: {(error.strerror or 'input/output error').lower()}.",
                hint="Check that the directory exists and may be written.",
            ) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        there = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'catalog_objects'"
        ).fetchone()
        if there is None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            connection.execute(_LOOKS)
            connection.execute(
                "INSERT OR IGNORE INTO schema_versions VALUES (?, ?)", (_COMPONENT, VERSION)
            )
        (found,) = connection.execute(
            "SELECT version FROM schema_versions WHERE component = ?", (_COMPONENT,)
        ).fetchone() or (0,)
        if found == 1:
            connection.execute(_LOOKS)
            connection.execute(
                "UPDATE schema_versions SET version = ? WHERE component = ? AND version = 1",
                (VERSION, _COMPONENT),
            )
        elif found != VERSION:
            raise BackupError(
                f"registry of catalog objects has version {found}",
                detail=f"This release reads version {VERSION} ({self._path}).",
                hint="Use the dbguard release that wrote it, or a newer one.",
            )


def _last_look(
    connection: sqlite3.Connection, database: tuple[str, int], known: Iterable[str]
) -> datetime | None:
    """The latest moment that is remembered of a database; None: nobody has looked yet.

    `known`: since when its objects are what they are, which is all that version 1 remembers.
    """
    row = connection.execute(
        "SELECT at FROM catalog_looks WHERE server = ? AND database_oid = ?", database
    ).fetchone()
    moments = [datetime.fromisoformat(str(text)) for text in ([*row] if row else []) + [*known]]
    return max(moments, default=None)
