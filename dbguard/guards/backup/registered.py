"""dbguard's own backups as evidence: what the registry and the files say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dbguard.guards.backup.evidence import WHOLE, Coverage, Evidence
from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity
from dbguard.guards.backup.presence import Presence, presence_of
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.store import Store
from dbguard.policy.decision import Verification
from dbguard.server_settings import OWN_PROVIDER


class RegisteredBackups:
    """The provider `pg_dump`: backups that `dbguard backup` made."""

    name = OWN_PROVIDER

    def __init__(self, registry: BackupRegistry, store: Store | None = None) -> None:
        """`store`: where dumps are kept when not in the directory."""
        self._registry = registry
        self._store = store

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        found = await asyncio.to_thread(self._registry.all, database.name)
        presence = await presence_of(found, self._store)
        return await asyncio.to_thread(_evidence, found, presence, database)


def _evidence(
    found: Sequence[Backup], presence: Presence, database: DatabaseIdentity
) -> tuple[Evidence, ...]:
    return tuple(as_evidence(backup, presence.flaw(backup), database) for backup in found)


def as_evidence(backup: Backup, lacking: str, database: DatabaseIdentity) -> Evidence:
    """`backup` as it counts for `database`; `lacking` says what is wrong with its dump."""
    return Evidence(
        id=backup.id,
        provider=OWN_PROVIDER,
        taken_at=backup.snapshot_at,
        looked_at=backup.looked_at,
        verification=Verification.RESTORED,
        verified_at=backup.verified_at,
        digest=backup.sha256,
        lsn=backup.lsn,
        coverage=WHOLE
        if backup.tables is None
        else Coverage(False, relations=frozenset(backup.tables), definitions=True),
        flaw=_flaw(backup, lacking, database),
    )


def _flaw(backup: Backup, lacking: str, database: DatabaseIdentity) -> str:
    if backup.database.server != database.server:
        return "it is of another server"
    if (backup.database.name, backup.database.oid) != (database.name, database.oid):
        return "it is of another database, or of one that was dropped and created again since"
    if backup.status is not BackupStatus.VERIFIED or backup.verified_at is None:
        first = backup.error.split(". ")[0].rstrip(".")
        return "it failed" + (f" ({first})" if first else "")
    return lacking
