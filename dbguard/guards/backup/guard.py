"""The guard that the proxy asks before a statement whose rule requires a backup."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess, disconnect, identify
from dbguard.guards.backup.evidence import Evidence, Provider
from dbguard.guards.backup.model import Clock, DatabaseIdentity
from dbguard.guards.backup.registered import RegisteredBackups, size_on_disk
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.requirement import BackupVerdict, Circumstances, command, evaluate
from dbguard.policy.decision import BackupRequirement
from dbguard.sql.destruction import Destruction

__all__ = ["BackupGuard", "size_on_disk"]


class BackupGuard:
    """Answers from what providers tell; whatever keeps it from answering means "not satisfied".

    `access` is the control connection's: it tells which server and database is meant now.
    """

    def __init__(
        self,
        registry: BackupRegistry,
        access: ServerAccess,
        clock: Clock,
        providers: Sequence[Provider] = (),
    ) -> None:
        self._registry = registry
        self._access = access
        self._clock = clock
        self._providers: tuple[Provider, ...] = (RegisteredBackups(registry), *providers)

    async def check(
        self, requirement: BackupRequirement, database: str, destroyed: Destruction
    ) -> BackupVerdict:
        """Whether backups of `database` satisfy `requirement` at this moment, for a statement that
        destroys `destroyed`. Never raises."""
        try:
            identity = await self._identify(database)
            backups, silent = await self._backups(requirement, identity)
        except BackupError as error:
            return _unknown(database, error)
        circumstances = Circumstances(database, self._clock())
        verdict = evaluate(requirement, backups, circumstances, destroyed)
        if not verdict.satisfied and silent is not None:
            return _unknown(database, silent)
        return verdict

    async def _backups(
        self, requirement: BackupRequirement, identity: DatabaseIdentity
    ) -> tuple[list[Evidence], BackupError | None]:
        """What the providers that may count tell, and what kept one of them from telling."""
        asked = [
            p
            for p in self._providers
            if not requirement.providers or p.name in requirement.providers
        ]
        answers = await asyncio.gather(*(_told(p, identity) for p in asked))
        found = [backup for backups, _ in answers for backup in backups]
        return found, next((error for _, error in answers if error is not None), None)

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


async def _told(
    provider: Provider, identity: DatabaseIdentity
) -> tuple[Sequence[Evidence], BackupError | None]:
    try:
        return await provider.backups(identity), None
    except BackupError as error:
        return (), error


def _unknown(database: str, error: BackupError) -> BackupVerdict:
    return BackupVerdict(
        False,
        message=f'cannot find out whether database "{database}" has a backup',
        detail=f"{error.message[:1].upper()}{error.message[1:]}. {error.detail}".rstrip(),
        hint=error.hint or f"Run: {command(database)}",
    )
