"""The guard that the proxy asks before a statement whose rule requires a backup."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from dbguard.errors import BackupError
from dbguard.guards.backup.access import NoSuchDatabase, ServerAccess
from dbguard.guards.backup.evidence import Evidence, Provider
from dbguard.guards.backup.looking import databases, look, note
from dbguard.guards.backup.model import Clock, DatabaseIdentity
from dbguard.guards.backup.observing import CatalogMemory
from dbguard.guards.backup.registered import RegisteredBackups
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.requirement import BackupVerdict, command, evaluate
from dbguard.guards.backup.store import Store
from dbguard.policy.decision import BackupRequirement
from dbguard.sql.destruction import Destruction, Reach


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
        store: Store | None = None,
    ) -> None:
        """`store`: where dbguard's own backups are kept, when not in the backup directory."""
        self._registry = registry
        self._access = access
        self._clock = clock
        self._memory = CatalogMemory(registry.path)
        self._providers: tuple[Provider, ...] = (RegisteredBackups(registry, store), *providers)

    async def check(
        self,
        requirement: BackupRequirement,
        database: str,
        destroyed: Destruction,
        process_id: int = 0,
    ) -> BackupVerdict:
        """Whether backups of `database` satisfy `requirement` at this moment, for a statement that
        destroys `destroyed`. Never raises. `process_id` is as `doomed_by` takes it."""
        dropped = destroyed.database
        if dropped:  # all of that one, whichever the statement is sent to
            database = dropped
            destroyed, process_id = Destruction(reach=Reach.DATABASE, reason=destroyed.reason), 0
        try:
            identity, circumstances = await look(
                self._access, self._memory, self._clock, database, destroyed, process_id
            )
            if requirement.unless_additive and circumstances.nothing_lost:
                return evaluate(requirement, (), circumstances, destroyed)
            backups, silent, asked = await self._backups(requirement, identity)
        except NoSuchDatabase as error:
            if dropped:  # the server says so, or with IF EXISTS goes on
                return BackupVerdict(True, why="no backup needed: there is no such database")
            return _unknown(database, error)
        except BackupError as error:
            return _unknown(database, error)
        verdict = evaluate(requirement, backups, circumstances, destroyed)
        if verdict.satisfied or not silent:
            return verdict
        if len(silent) == asked:
            return _unknown(database, silent[0])
        return replace(verdict, detail=" ".join([verdict.detail, *map(_said, silent)]))

    async def note(self, database: str) -> None:
        """Look at a database, so that what is in it is known to have been so since now. Raises
        BackupError."""
        await note(self._access, self._memory, self._clock, database)

    async def databases(self) -> tuple[str, ...]:
        """What there is to look at. Raises BackupError."""
        return await databases(self._access)

    def use(self, providers: Sequence[Provider]) -> None:
        """From now on these are asked, beside dbguard's own registry."""
        self._providers = (self._providers[0], *providers)

    async def _backups(
        self, requirement: BackupRequirement, identity: DatabaseIdentity
    ) -> tuple[list[Evidence], list[BackupError], int]:
        """What the providers that may count tell, what kept some of them from telling, and how many
        were asked. Raises BackupError when there is none."""
        asked = [
            p
            for p in self._providers
            if not requirement.providers or p.name in requirement.providers
        ]
        if not asked:
            raise BackupError(
                "none of the providers that the rule names is there",
                detail=f"Rule {requirement.rule} names {', '.join(requirement.providers)}.",
                hint="Add them to backup.providers in dbguard's settings, or correct the rule.",
            )
        answers = await asyncio.gather(*(_told(p, identity) for p in asked))
        found = [backup for backups, _ in answers for backup in backups]
        return found, [error for _, error in answers if error is not None], len(asked)


async def _told(
    provider: Provider, identity: DatabaseIdentity
) -> tuple[Sequence[Evidence], BackupError | None]:
    try:
        return await provider.backups(identity), None
    except BackupError as error:
        return (), error


def _said(error: BackupError) -> str:
    return f"{error.message[:1].upper()}{error.message[1:]}. {error.detail}".rstrip()


def _unknown(database: str, error: BackupError) -> BackupVerdict:
    return BackupVerdict(
        False,
        message=f'cannot find out whether database "{database}" has a backup',
        detail=_said(error),
        hint=error.hint or f"Run: {command(database)}",
    )
