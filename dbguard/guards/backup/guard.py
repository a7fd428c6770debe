"""The guard that the proxy asks before a statement whose rule requires a backup."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess, disconnect, identify
from dbguard.guards.backup.model import Backup, Clock, DatabaseIdentity
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.requirement import BackupVerdict, StoredBackup, command, evaluate
from dbguard.policy.decision import BackupRequirement


class BackupGuard:
    """Answers from the registry; whatever keeps it from answering means "not satisfied".

    `access` is the control connection's: it tells which server and database is meant now.
    """

    def __init__(self, registry: BackupRegistry, access: ServerAccess, clock: Clock) -> None:
        self._registry = registry
        self._access = access
        self._clock = clock

    async def check(self, requirement: BackupRequirement, database: str) -> BackupVerdict:
        """Whether a backup of `database` satisfies `requirement` at this moment. Never raises."""
        try:
            identity, stored = await asyncio.gather(
                self._identify(database), asyncio.to_thread(self._stored, database)
            )
        except BackupError as error:
            return BackupVerdict(
                False,
                message=f'cannot find out whether database "{database}" has a backup',
                detail=f"{error.message[:1].upper()}{error.message[1:]}. {error.detail}".rstrip(),
                hint=error.hint or f"Run: {command(database)}",
            )
        return evaluate(requirement, stored, self._clock(), identity)

    async def _identify(self, database: str) -> DatabaseIdentity:
        connection = await self._access.connect(database)
        try:
            return await identify(connection, self._access)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            raise BackupError(
                "server does not say which database it is",
                hint="Check the control connection (catalog.dsn) and try again.",
            ) from None
        finally:
            await disconnect(connection)

    def _stored(self, database: str) -> tuple[StoredBackup, ...]:
        return tuple(
            StoredBackup(backup, _size_of(backup)) for backup in self._registry.all(database)
        )


def _size_of(backup: Backup) -> int | None:
    return size_on_disk(backup.path) if backup.path else None


def size_on_disk(path: Path) -> int | None:
    """Size of a regular file in bytes; None when there is none that can be seen."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
