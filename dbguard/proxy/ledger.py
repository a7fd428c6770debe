"""What all workers count together: a small file of the time that they run, which dies with them.

Each operation is one transaction, so that limits hold for all workers together and not for each.
What a worker has in it is taken out by `forget` when it has died. SQLite without syncing: nothing
here has to survive the machine, and who is killed in the middle leaves nothing half done. Names are
kept as keyed hashes: strangers type passwords where a user name belongs.

Every method raises StateUnavailable when the file cannot be used: who is not counted cannot come.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbguard.errors import StateUnavailable

_BUSY_SECONDS: Final = 2.0
"""An operation takes some 20 µs; a process that was stopped in the middle is not waited for."""
_SCHEMA: Final = """
CREATE TABLE connections (worker INTEGER PRIMARY KEY, open INTEGER NOT NULL) STRICT;
CREATE TABLE users (
    worker INTEGER NOT NULL,
    name TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (name, worker)
) STRICT, WITHOUT ROWID;
CREATE TABLE failures (
    name TEXT PRIMARY KEY,
    since REAL NOT NULL,
    failures INTEGER NOT NULL,
    until REAL NOT NULL,
    turn INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_by_turn ON failures (turn);
CREATE TABLE backends (
    number INTEGER PRIMARY KEY,
    worker INTEGER NOT NULL,
    server TEXT NOT NULL DEFAULT '',
    process_id INTEGER NOT NULL DEFAULT 0,
    known REAL NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE strangers (
    server TEXT NOT NULL,
    process_id INTEGER NOT NULL,
    began TEXT NOT NULL,
    PRIMARY KEY (server, process_id, began)
) STRICT, WITHOUT ROWID;
"""


class Ledger:
    """One worker's access to it. For the thread that made it."""

    def __init__(self, path: Path, worker: int, secret: bytes) -> None:
        """`path` was made by `prepare`; `secret` is the same for all workers."""
        self.worker = worker
        self._secret = secret
        with _told():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
            )
            self._connection.execute("PRAGMA synchronous = OFF")

    @staticmethod
    def prepare(path: Path) -> None:
        """Make the file, empty, in a folder that is nobody else's."""
        with _told():
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
            finally:
                connection.close()

    def close(self) -> None:
        self._connection.close()

    def hashed(self, *names: str) -> str:
        text = "\0".join(names).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._secret, digest_size=16).hexdigest()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which nobody else's comes between."""
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def ask(self, question: str, *values: object) -> list[tuple[object, ...]]:
        with _told():
            return self._connection.execute(question, values).fetchall()

    def forget(self, worker: int) -> None:
        """A worker has died, and its sessions with it. Their processes at the server may live on
        for a while, and stay known."""
        with self.changing() as connection:
            for table in ("connections", "users"):
                connection.execute(f"DELETE FROM {table} WHERE worker = ?", (worker,))  # noqa: S608
            connection.execute("DELETE FROM backends WHERE worker = ? AND server = ''", (worker,))
            connection.execute("UPDATE backends SET gone = 1 WHERE worker = ?", (worker,))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        reason = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StateUnavailable(
            "the workers cannot count together",
            detail=f"Their common file cannot be used: {reason}.",
            hint="Check that the system's folder of temporary files has free space.",
        ) from None
