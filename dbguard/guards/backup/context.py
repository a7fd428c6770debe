"""What a backup needs besides the name of its database."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, ServerAccess
from dbguard.guards.backup.binaries import Binaries, find_binaries
from dbguard.guards.backup.model import Clock, DumpFormat
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.sealing import Key
from dbguard.guards.backup.store import Store

OLDEST_SERVER: Final = 13
"""DROP DATABASE … WITH (FORCE) came with 13, and a scratch database must be droppable."""
_CODES: Final = {
    "42501": (
        "The backup role may not read every row of every table.",
        "Give the role pg_read_all_data and BYPASSRLS, or name a superuser in backup.dsn.",
    ),
    "55P03": (
        "A table is locked by somebody else.",
        "Wait until that transaction is over (see pg_locks), then try again.",
    ),
}


_GONE: Final = ("42P01", "3F000")
"""undefined_table, invalid_schema_name."""


class Step(enum.StrEnum):
    """What is being done, for a progress display."""

    COUNT = "counting rows"
    DUMP = "dumping"
    RESTORE = "restoring into a scratch database"
    COMPARE = "comparing row counts"
    UPLOAD = "storing in its location"


@dataclass(frozen=True, slots=True)
class BackupContext:
    """Everything a backup needs besides the name of the database."""

    access: ServerAccess
    directory: Path
    registry: BackupRegistry
    clock: Clock
    environ: Mapping[str, str]
    binaries: Path | None = None
    """Directory of pg_dump and pg_restore; searched for when None."""
    lock_wait_seconds: float = 30.0
    """Without a limit pg_dump waits for ever on a table that somebody holds exclusively."""
    progress: Callable[[Step], None] = lambda step: None
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    format: DumpFormat = DumpFormat.CUSTOM
    jobs: int = 1
    """Connections that pg_dump and pg_restore use at a time, in the directory format."""
    read_key: Callable[[], Awaitable[Key]] | None = None
    """Gives the key to encrypt with; None: dumps are not encrypted. Raises BackupError."""

    store: Store | None = None
    """Where finished dumps are kept; None: in the directory."""

    @property
    def lock_wait_milliseconds(self) -> int:
        return max(1, round(self.lock_wait_seconds * 1000))

    async def key(self) -> Key | None:
        """The key as it is now. Raises BackupError."""
        return None if self.read_key is None else await self.read_key()

    async def find_binaries(self, connection: Connection) -> Binaries:
        """Programs for the server at the other end of `connection`. Raises BackupError."""
        return await find_binaries(
            server_major(connection),
            environ=self.environ,
            configured=self.binaries,
            needs_tls=self.access.needs_tls,
        )

    def environment(self, binaries: Binaries) -> dict[str, str]:
        """A program's environment. The password goes this way: a command line is public."""
        password = self.access.password
        return dict(binaries.environment) | ({"PGPASSWORD": password} if password else {})


def server_major(connection: Connection) -> int:
    """The server's major version. Raises BackupError when it is too old."""
    major: int = connection.get_server_version().major
    if major < OLDEST_SERVER:
        raise BackupError(
            f"server is PostgreSQL {major}",
            detail=f"Backups need {OLDEST_SERVER} or later.",
            hint="Upgrade the server, or take backups by other means.",
        )
    return major


class Vanished(BackupError):
    """Something was dropped while it was being backed up: behind the snapshot, before its lock."""


def query_failed(message: str, error: Exception) -> BackupError:
    """Server errors by their code only: their text may quote a row."""
    code = getattr(error, "sqlstate", None)
    if code in _GONE:
        return Vanished(
            message,
            detail=f"Something was dropped meanwhile. The server answers with SQLSTATE {code}.",
            hint="Try again.",
        )
    if code is None:
        return BackupError(
            "connection to the server was lost during the backup",
            detail="Nothing was registered as a backup.",
            hint="Check the server's log and try again.",
        )
    detail, hint = _CODES.get(code, ("", "The server's log says more."))
    return BackupError(
        message,
        detail=f"{detail} The server answers with SQLSTATE {code}.".strip(),
        hint=hint,
    )


SERVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a query over a connection of dbguard's own may raise."""
