"""Which backups are not kept any longer. Pure but for `remove_backup`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.dump_file import remove
from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity
from dbguard.guards.backup.store import elsewhere
from dbguard.guards.backup.uploading import removed


def superfluous(
    backups: Iterable[Backup], now: datetime, days: int | None, count: int | None
) -> list[Backup]:
    """Those that neither limit keeps, oldest first; none where there is no limit.

    The newest proven one of a database is always kept, however old it is, and what failed without
    leaving a file is no concern of this.
    """
    if days is None and count is None:
        return []
    of_database: dict[DatabaseIdentity, list[Backup]] = {}
    for backup in backups:
        if backup.place:
            of_database.setdefault(backup.database, []).append(backup)
    found = []
    for group in of_database.values():
        group.sort(key=lambda backup: backup.snapshot_at, reverse=True)
        proven = next((b for b in group if b.status is BackupStatus.VERIFIED), None)
        # a part is no stand-in for the whole: of both the newest stays
        whole = next(
            (b for b in group if b.status is BackupStatus.VERIFIED and b.tables is None), None
        )
        for place, backup in enumerate(group):
            young = days is not None and now - backup.snapshot_at <= timedelta(days=days)
            few = count is not None and place < count
            if not (young or few or backup is proven or backup is whole):
                found.append(backup)
    return sorted(found, key=lambda backup: backup.snapshot_at)


async def remove_backup(backup: Backup, context: BackupContext) -> None:
    """Remove a dump and its entry; inside the lock of the directory.

    The entry goes first: a backup without its file must not count.

    Raises:
        BackupError: the registry or the location cannot be used.
        OSError: a file cannot be removed.
    """
    if not backup.object:
        await asyncio.to_thread(context.registry.remove, backup.id)
        if backup.path is not None:
            await asyncio.to_thread(remove, backup.path)
        return
    name = context.store.name_of(backup) if context.store is not None else None
    if context.store is None or name is None:
        raise elsewhere(backup)
    async with removed(name, backup.id, context.store, context):
        await asyncio.to_thread(context.registry.remove, backup.id)
