"""What dbguard must not forget about columns, in the state file: one SQLite file, in WAL mode.

`filled` holds where classified values went (`dbguard.policy.drift`), `remembered` which columns
carried tags when last seen, so that neither a copy nor a renaming loses its protection with a
restart. Rows belong to a database by its server, name and OID: those of one that was replaced are
dropped. Version 1 knew no servers: its rows belong to whoever has that name and OID.

Where several processes share the file, `waits` says which session may still take a row of `filled`
back: to the others it is not there for good, and not to be forgotten either. It counts in the *run*
(of all processes together) that wrote it; whatever an earlier run left counts for good.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
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
_INSERT_FILLED: Final = "INSERT INTO filled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_WAITS: Final = """
CREATE TABLE IF NOT EXISTS waits (
    database TEXT NOT NULL,
    server TEXT NOT NULL,
    filled INTEGER NOT NULL,
    run TEXT NOT NULL,
    session TEXT NOT NULL
) STRICT
"""
"""Of no meaning to releases that do not know it: they run alone, and remember such a row for good,
or until the table is not there."""
_READ_WAITS: Final = """
SELECT relation, number, schema_name, table_name, column_name, sources, tags, besides,
    coalesce((SELECT session FROM waits WHERE waits.filled = filled.rowid
        AND waits.database = filled.database AND waits.server = filled.server AND run = ?), '')
FROM filled
WHERE database = ? AND (server = ? OR (server = '' AND database_oid = ?))
    AND database_oid = ? ORDER BY rowid
"""

Filled = Mapping[Filling, str]
"""Each with the session that may still take it back; empty: it counts for good."""


class DriftRegistry:
    """Reads and writes one server's part of the state file. Blocking; call it off the event loop.

    `server` tells servers apart: two may have databases of the same name and OID. `run` is set
    where several processes share the file, the same for all of them.

    Every method raises StateUnavailable when the file cannot be used.
    """

    def __init__(self, path: Path, server: str, run: str = "") -> None:
        self.path = path
        self._server = server
        self._run = run

    @property
    def shared(self) -> bool:
        """Whether other processes use the file at the same time."""
        return bool(self._run)

    def read_shared(self, database: str, oid: int) -> Filled:
        """All fillings of a database, whichever process wrote them."""
        if not self._run:
            return dict.fromkeys(self.read_filled(database, oid), "")
        with self._open() as connection:
            connection.execute(_WAITS)
            return self._shared(connection, database, oid)

    def exchange(
        self,
        database: str,
        oid: int,
        change: Callable[[Filled], Filled],
        written: Callable[[], None],
    ) -> Filled:
        """Put what `change` makes of all that is known of the database in its place, and return
        it; nobody else writes meanwhile. `written` is called when it is as good as there."""
        with self._open() as connection:
            connection.execute(_WAITS)
            connection.execute("BEGIN IMMEDIATE")
            before = self._shared(connection, database, oid)
            after = change(before)
            if after != before:
                self._write(connection, database, oid, after)
                written()
        return after

    def _shared(self, connection: sqlite3.Connection, database: str, oid: int) -> Filled:
        rows = connection.execute(
            _READ_WAITS, (self._run, database, self._server, oid, oid)
        ).fetchall()
        return {_filling(row[:8]): str(row[8]) for row in rows}

    def _write(
        self, connection: sqlite3.Connection, database: str, oid: int, filled: Filled
    ) -> None:
        connection.execute(_DROP_FILLED, (database, self._server, oid))
        connection.execute(
            "DELETE FROM waits WHERE database = ? AND server = ?", (database, self._server)
        )
        for filling, session in filled.items():
            row = self._row(database, oid, filling)
            number = connection.execute(_INSERT_FILLED, row).lastrowid
            if session:
                connection.execute(
                    "INSERT INTO waits VALUES (?, ?, ?, ?, ?)",
                    (database, self._server, number, self._run, session),
                )

    def _row(self, database: str, oid: int, f: Filling) -> tuple[object, ...]:
        return (
            database, oid, f.relation, f.number, f.schema, f.table, f.column,
            json.dumps([[s.relation, s.number, s.name] for s in f.sources]),
            json.dumps(sorted(f.tags)), f.besides, self._server,
        )  # fmt: skip

    def read_filled(self, database: str, oid: int) -> tuple[Filling, ...]:
        """All fillings of a database."""
        with self._open() as connection:
            rows = connection.execute(_READ_FILLED, (database, self._server, oid, oid)).fetchall()
            return tuple(_filling(row) for row in rows)

    def write_filled(self, database: str, oid: int, filled: Iterable[Filling]) -> None:
        """Put these fillings in the place of all that is known of the database."""
        rows = [self._row(database, oid, filling) for filling in filled]
        with self._open() as connection:
            connection.execute(_DROP_FILLED, (database, self._server, oid))
            connection.executemany(_INSERT_FILLED, rows)

    def read_remembered(self, database: str, oid: int) -> Mapping[ColumnKey, Remembered]:
        """The classified columns of a database as they were when last seen."""
        with self._open() as connection:
            return self._remembered(connection, database, oid)

    def replace_remembered(
        self,
        database: str,
        oid: int,
        before: Mapping[ColumnKey, Remembered],
        remembered: Mapping[ColumnKey, Remembered],
        written: Callable[[], None],
    ) -> bool:
        """As `write_remembered`, unless somebody else has written since it was `before`: then
        nothing is written, and False returned. `written` is called when it is as good as there."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = self._remembered(connection, database, oid)
            if found not in (before, remembered):
                return False
            self._write_remembered(connection, database, oid, remembered)
            written()
        return True

    def _remembered(
        self, connection: sqlite3.Connection, database: str, oid: int
    ) -> Mapping[ColumnKey, Remembered]:
        rows = connection.execute(_READ_REMEMBERED, (database, self._server, oid, oid)).fetchall()
        return dict(_remembered(row) for row in rows)

    def write_remembered(
        self, database: str, oid: int, remembered: Mapping[ColumnKey, Remembered]
    ) -> None:
        """Put these columns in the place of all that is known of the database."""
        with self._open() as connection:
            self._write_remembered(connection, database, oid, remembered)

    def _write_remembered(
        self,
        connection: sqlite3.Connection,
        database: str,
        oid: int,
        remembered: Mapping[ColumnKey, Remembered],
    ) -> None:
        rows = [
            (
                database, oid, relation, number, r.name, json.dumps(sorted(r.tags)), r.kept,
                json.dumps(sorted(r.inherited)), json.dumps(sorted(r.sources)), self._server,
            )
            for (relation, number), r in remembered.items()
        ]  # fmt: skip
        connection.execute(_DROP_REMEMBERED, (database, self._server, oid))
        connection.executemany("INSERT INTO remembered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

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
                    connection.commit()  # `exchange` begins a transaction of its own
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
