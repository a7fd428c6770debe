"""Proving a dump: restored into a scratch database, it has what the snapshot had."""

from __future__ import annotations

from pathlib import Path

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, disconnect
from dbguard.guards.backup.binaries import Binaries
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, Step, query_failed
from dbguard.guards.backup.counting import count_rows
from dbguard.guards.backup.definitions import (
    FOREIGN_KEYS,
    PRIVILEGES,
    describe_objects,
    without,
)
from dbguard.guards.backup.dump_file import sha256_of, size_of
from dbguard.guards.backup.model import Backup, Digests, RowCounts
from dbguard.guards.backup.restoring import restore
from dbguard.guards.backup.scratch import scratch_database


async def prove(backup: Backup, path: Path, binaries: Binaries, context: BackupContext) -> None:
    """Restore `path` and compare with what the snapshot had. Raises BackupError."""
    access, database = context.access, backup.database.name
    context.progress(Step.RESTORE)
    async with scratch_database(access, database, backup.id, context.directory) as scratch:
        try:
            privileges = await restore(backup, path, scratch, binaries, context)
        except OSError as error:
            raise BackupError(
                f"backup {backup.id} could not be read",
                detail=f"{path}: {(error.strerror or 'input/output error').lower()}.",
                hint="Check the free space and the permissions of backup.directory.",
            ) from None
        await compare(backup, scratch, privileges, context)


async def compare(backup: Backup, restored: str, privileges: bool, context: BackupContext) -> None:
    """Compare the restored database with what the snapshot had; with owners and grants where
    `privileges` were restored. Raises BackupError."""
    context.progress(Step.COMPARE)
    names = None if backup.tables is None else frozenset(n for n, _ in backup.counts.tables)
    counts, checksums, definitions = await _contents(context, restored, names)
    left_out = [] if privileges else [PRIVILEGES]
    if backup.tables is not None:
        left_out.append(FOREIGN_KEYS)
    difference = backup.counts.difference(counts)
    if backup.checksums.of:  # backups of earlier releases have none
        difference = difference or backup.checksums.difference(checksums, "rows")
        difference = difference or without(backup.definitions, *left_out).difference(
            without(definitions, *left_out), "definitions"
        )
    if difference:
        raise BackupError(
            f'restored copy differs from the snapshot of database "{backup.database.name}"',
            detail=f"{difference[:1].upper()}{difference[1:]}.",
            hint="This dump does not count. Take a new backup.",
        )


async def _contents(
    context: BackupContext, scratch: str, names: frozenset[str] | None
) -> tuple[RowCounts, Digests, Digests]:
    connection: Connection = await context.access.connect(scratch)
    try:
        counts, checksums = await count_rows(connection, names)
        return counts, checksums, await describe_objects(connection)
    except SERVER_ERRORS as error:
        raise query_failed("restored copy could not be checked", error) from None
    finally:
        await disconnect(connection)


def check_file(backup: Backup, path: Path) -> None:
    """Whether a dump is the one that was registered. Blocking. Raises BackupError."""
    try:
        size, digest = size_of(path), sha256_of(path)
    except OSError as error:
        raise BackupError(
            f"file of backup {backup.id} cannot be read",
            detail=f"{backup.place or path}: {(error.strerror or 'input/output error').lower()}.",
            hint="It does not count. Take a new one: dbguard backup now",
        ) from None
    if size != backup.bytes or digest != backup.sha256:
        raise BackupError(
            f"file of backup {backup.id} was changed",
            detail=f"{backup.place or path} does not have the recorded size and SHA-256.",
            hint="It does not count. Find out who changed it, and take a new one.",
        )
