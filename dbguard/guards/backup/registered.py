"""dbguard's own backups as evidence: what the registry and the files say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from dbguard.guards.backup.dump_file import size_of
from dbguard.guards.backup.evidence import WHOLE, Coverage, Evidence
from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.policy.decision import Verification
from dbguard.server_settings import OWN_PROVIDER


class RegisteredBackups:
    """The provider `pg_dump`: backups that `dbguard backup` made."""

    name = OWN_PROVIDER

    def __init__(self, registry: BackupRegistry) -> None:
        self._registry = registry

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        return await asyncio.to_thread(self._stored, database)

    def _stored(self, database: DatabaseIdentity) -> tuple[Evidence, ...]:
        found = self._registry.all(database.name)
        return tuple(
            as_evidence(b, size_on_disk(b.path) if b.path else None, database) for b in found
        )


def as_evidence(backup: Backup, size: int | None, database: DatabaseIdentity) -> Evidence:
    """`backup` as it counts for `database`; `size` is that of its file now, None without one."""
    return Evidence(
        id=backup.id,
        provider=OWN_PROVIDER,
        taken_at=backup.snapshot_at,
        verification=Verification.RESTORED,
        verified_at=backup.verified_at,
        digest=backup.sha256,
        lsn=backup.lsn,
        coverage=WHOLE
        if backup.tables is None
        else Coverage(False, relations=frozenset(backup.tables), definitions=True),
        flaw=_flaw(backup, size, database),
    )


def _flaw(backup: Backup, size: int | None, database: DatabaseIdentity) -> str:
    if backup.database.server != database.server:
        return "it is of another server"
    if (backup.database.name, backup.database.oid) != (database.name, database.oid):
        return "it is of another database, or of one that was dropped and created again since"
    if backup.status is not BackupStatus.VERIFIED or backup.verified_at is None:
        first = backup.error.split(". ")[0].rstrip(".")
        return "it failed" + (f" ({first})" if first else "")
    if size is None:
        return "its file is missing"
    if size != backup.bytes:
        return "its file does not have the recorded size"
    return ""


def size_on_disk(path: Path) -> int | None:
    """Size of what is kept of a dump in bytes; None when there is nothing that can be seen."""
    return size_of(path)
