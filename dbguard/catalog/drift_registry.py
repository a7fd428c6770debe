"""What dbguard must not forget about columns, in the state file: one SQLite file, in WAL mode.

`filled` holds where classified values went (`dbguard.policy.drift`), `remembered` which columns
carried tags when last seen, so that neither a copy nor a renaming loses its protection with a
restart. Rows belong to a database by its server, name and OID: those of one that was replaced are
dropped. Version 1 knew no servers: its rows belong to whoever has that name and OID.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbguard.errors import StateUnavailable
from dbguard.policy.drift import Filling, Source
from dbguard.policy.remembering import ColumnKey, Remembered

VERSION: Final = 2
_COMPONENT: Final = "drift"
_BUSY_SECONDS: Final = 5.0
"""How long to wait for another writer; writes take milliseconds."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS filled (
    database TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    relation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    schema_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    sources TEXT NOT NULL,
    tags TEXT NOT NULL,
    besides INTEGER NOT NULL DEFAULT 0,
    server TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS remembered (
    database TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    relation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    kept INTEGER NOT NULL,
    inherited TEXT NOT NULL,
    sources TEXT NOT NULL,
    server TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS filled_by_database ON filled (database);
CREATE INDEX IF NOT EXISTS remembered_by_database ON remembered (database);
"""


_ADD_BESIDES: Final = "ALTER TABLE filled ADD COLUMN besides INTEGER NOT NULL DEFAULT 0;"
"""The first files of version 1 have no such column."""
_UPGRADE: Final = """
ALTER TABLE filled ADD COLUMN server TEXT NOT NULL DEFAULT '';
ALTER TABLE remembered ADD COLUMN server TEXT NOT NULL DEFAULT '';
UPDATE schema_versions SET version = 2 WHERE component = 'drift';
"""
"""From version 1."""
# Rows of a database, whatever its OID was, and those of version 1 that can be its own.
_READ_FILLED: Final = """
SELECT relation, number, schema_name, table_name, column_name, sources, tags, besides FROM filled
WHERE database = ? AND (server = ? OR (server = '' AND database_oid = ?))
    AND database_oid = ? ORDER BY rowid
"""
_READ_REMEMBERED: Final = """
SELECT relation, number, name, tags, kept, inherited, sources FROM remembered
WHERE database = ? AND (server = ? OR (server = '' AND database_oid = ?)) AND database_oid = ?
"""
_DROP_FILLED: Final = """
DELETE FROM filled WHERE database = ? AND (server = ? OR (server = '' AND database_oid = ?))
"""
_DROP_REMEMBERED: Final = """
DELETE FROM remembered WHERE database = ? AND (server = ? OR (server = '' AND database_oid = ?))
"""


class DriftRegistry:
    """Reads and writes one server's part of the state file. Blocking; call it off the event loop.

    `server` tells servers apart: two may have databases of the same name and OID.

    Every method raises StateUnavailable when the file cannot be used.
    """

    def __init__(self, path: Path, server: str) -> None:
        self.path = path
        self._server = server

    def read_filled(self, database: str, oid: int) -> tuple[Filling, ...]:
        """All fillings of a database."""
        with self._open() as connection:
            rows = connection.execute(_READ_FILLED, (database, self._server, oid, oid)).fetchall()
            return tuple(_filling(row) for row in rows)

    def write_filled(self, database: str, oid: int, filled: Iterable[Filling]) -> None:
        """Put these fillings in the place of all that is known of the database."""
        rows = [
            (
                database, oid, f.relation, f.number, f.schema, f.table, f.column,
                json.dumps([[s.relation, s.number, s.name] for s in f.sources]),
                json.dumps(sorted(f.tags)), f.besides, self._server,
            )
            for f in filled
        ]  # fmt: skip
        with self._open() as connection:
            connection.execute(_DROP_FILLED, (database, self._server, oid))
            connection.executemany(
                "INSERT INTO filled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def read_remembered(self, database: str, oid: int) -> Mapping[ColumnKey, Remembered]:
        """The classified columns of a database as they were when last seen."""
        with self._open() as connection:
            rows = connection.execute(
                _READ_REMEMBERED, (database, self._server, oid, oid)
            ).fetchall()
            return dict(_remembered(row) for row in rows)

    def write_remembered(
        self, database: str, oid: int, remembered: Mapping[ColumnKey, Remembered]
    ) -> None:
        """Put these columns in the place of all that is known of the database."""
        rows = [
            (
                database, oid, relation, number, r.name, json.dumps(sorted(r.tags)), r.kept,
                json.dumps(sorted(r.inherited)), json.dumps(sorted(r.sources)), self._server,
            )
            for (relation, number), r in remembered.items()
        ]  # fmt: skip
        with self._open() as connection:
            connection.execute(_DROP_REMEMBERED, (database, self._server, oid))
            connection.executemany(
                "INSERT INTO remembered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600, exist_ok=True)
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS
            )
            try:
                with connection:
                    _prepare(connection)
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise _unusable(getattr(error, "sqlite_errorname", type(error).__name__)) from None
        except OSError as error:
            raise _unusable((error.strerror or "input/output error").lower()) from None
        except (ValueError, TypeError):
            raise _unusable("a row is damaged") from None


def _prepare(connection: sqlite3.Connection) -> None:
    # A copy that is forgotten is a leak, so it must survive a power failure.
    connection.execute("PRAGMA synchronous = FULL")
    # names of columns that were never made must not stay in the file
    connection.execute("PRAGMA secure_delete = ON")
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'"
    ).fetchone()
    found = (
        known
        and connection.execute(
            "SELECT version FROM schema_versions WHERE component = ?", (_COMPONENT,)
        ).fetchone()
    )
    if not found:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        connection.execute(
            "INSERT OR IGNORE INTO schema_versions VALUES (?, ?)", (_COMPONENT, VERSION)
        )
    elif found[0] == 1:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(filled)")}
        first = "" if "besides" in columns else _ADD_BESIDES
        connection.executescript(f"BEGIN IMMEDIATE;{first}{_UPGRADE}COMMIT;")
    elif found[0] != VERSION:
        raise _unusable(f"it has version {found[0]}, and this release reads {VERSION}")


def _filling(row: tuple[object, ...]) -> Filling:
    relation, number, schema, table, column, sources, tags, besides = row
    return Filling(
        int(str(relation)), int(str(number)), str(schema), str(table), str(column), False,
        tuple(Source(int(oid), int(at), str(name)) for oid, at, name in json.loads(str(sources))),
        frozenset(map(str, json.loads(str(tags)))), int(str(besides)),
    )  # fmt: skip


def _remembered(row: tuple[object, ...]) -> tuple[ColumnKey, Remembered]:
    relation, number, name, tags, kept, inherited, sources = row
    return (int(str(relation)), int(str(number))), Remembered(
        str(name),
        frozenset(map(str, json.loads(str(tags)))),
        bool(kept),
        frozenset(map(str, json.loads(str(inherited)))),
        frozenset((int(oid), int(at)) for oid, at in json.loads(str(sources))),
    )


def _unusable(why: str) -> StateUnavailable:
    return StateUnavailable(
        "the state file cannot be used",
        detail=f"What went where could not be read or kept: {why}.",
        hint="Check that the folder of state.url exists, may be written and has free space.",
    )
