"""Taking a backup and proving it; proving it again later."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import disconnect
from dbguard.guards.backup.context import BackupContext, Step, Vanished
from dbguard.guards.backup.dump_file import (
    PARTIAL_SUFFIX,
    locked_directory,
    publish,
    remove,
    remove_partial_files,
    sha256_of,
    size_of,
)
from dbguard.guards.backup.dumping import file_name, write_dump
from dbguard.guards.backup.model import Backup, BackupStatus
from dbguard.guards.backup.objects import NotAtHand
from dbguard.guards.backup.proving import check_file, prove
from dbguard.guards.backup.scratch import drop_leftovers
from dbguard.guards.backup.snapshots import WHOLE, Scope, exported_snapshot
from dbguard.guards.backup.store import at_hand
from dbguard.guards.backup.uploading import remove_leftovers, uploaded

__all__ = ["BackupContext", "Scope", "Step", "take_backup", "verify_backup"]

ATTEMPTS: Final = 3
"""How often a backup is begun while tables are dropped around it: pg_dump locks all that it has
found in the catalog, and gives up where one is gone by then."""


async def take_backup(database: str, context: BackupContext, scope: Scope = WHOLE) -> Backup:
    """Dump `database`, restore the dump, compare, register, and return the verified backup.

    Where something else is dropped while it is begun, it is begun again.

    Raises BackupError; no file and no scratch database is left then, and the failed attempt is
    in the registry, if it had come as far as the dump.
    """
    try:
        with locked_directory(context.directory):
            await asyncio.to_thread(remove_partial_files, context.directory)
            await drop_leftovers(context.access, context.directory)
            await remove_leftovers(context)
            if context.store is not None:  # before anybody has waited for a dump in vain
                await context.store.contents()
            for _ in range(ATTEMPTS - 1):
                try:
                    return await _taken(database, context, scope)
                except Vanished:
                    continue
            return await _taken(database, context, scope)
    except OSError as error:
        raise BackupError(
            f'backup of database "{database}" could not be written',
            detail=f"{context.directory}: {(error.strerror or 'input/output error').lower()}.",
            hint="Check the free space and the permissions of backup.directory.",
        ) from None


async def _taken(database: str, context: BackupContext, scope: Scope) -> Backup:
    """In the lock of the directory. Raises BackupError and OSError."""
    started = context.clock().astimezone(UTC)
    backup_id = f"{started:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
    key = await context.key()
    final = context.directory / file_name(backup_id, context.format, key)
    partial = final.with_name(final.name + PARTIAL_SUFFIX)
    attempt: Backup | None = None
    kept = False
    try:
        async with exported_snapshot(database, context, scope) as snapshot:
            attempt = Backup(
                backup_id,
                snapshot.database,
                snapshot.taken_at,
                started,
                BackupStatus.FAILED,
                counts=snapshot.counts,
                tool=snapshot.binaries.description,
                format=context.format,
                tables=snapshot.tables,
                checksums=snapshot.checksums,
                definitions=snapshot.definitions,
                key=key.id if key else "",
                lsn=snapshot.lsn,
                looked_at=snapshot.looked_at,
            )
            context.progress(Step.DUMP)
            await write_dump(snapshot, backup_id, partial, key, context)
        digest = await asyncio.to_thread(sha256_of, partial)
        await prove(attempt, partial, snapshot.binaries, context)
        await asyncio.to_thread(publish, partial, final)
        proven = replace(
            attempt,
            status=BackupStatus.VERIFIED,
            verified_at=context.clock().astimezone(UTC),
            bytes=size_of(final) or 0,
            sha256=digest,
        )
        if context.store is None:
            backup = _registered(replace(proven, path=final), context)
            kept = True
            return backup
        context.progress(Step.UPLOAD)
        async with uploaded(final, backup_id, context.store, context) as seen:
            place = f"{context.store.url}/{final.name}"
            return _registered(replace(proven, object=place, tag=seen.tag), context)
    except BackupError as error:
        if attempt is not None:
            await _record_failure(attempt, error, context)
        raise
    finally:
        remove(partial)
        if not kept:
            remove(final)


def _registered(proven: Backup, context: BackupContext) -> Backup:
    """Not in a thread: an interruption in between would leave a row without its file."""
    backup = replace(proven, finished_at=context.clock().astimezone(UTC))
    context.registry.add(backup)
    return backup


async def verify_backup(backup_id: str, context: BackupContext) -> Backup:
    """Check the file of a registered backup and restore it again.

    The result is registered: a backup that fails no longer counts. Raises BackupError then, and
    also when it could not be found out (server not reachable), which changes nothing.
    """
    backup = await registered(backup_id, context)
    with locked_directory(context.directory):
        await drop_leftovers(context.access, context.directory)
        connection = await context.access.connect(context.access.database)
        try:
            binaries = await context.find_binaries(connection)
        finally:
            await disconnect(connection)
        try:
            async with at_hand(backup, context) as path:
                await asyncio.to_thread(check_file, backup, path)
                await prove(backup, path, binaries, context)
        except NotAtHand:
            raise
        except OSError as error:
            raise not_at_hand(backup, error) from None
        except BackupError as error:
            failed = replace(backup, status=BackupStatus.FAILED, error=_one_line(error))
            await asyncio.to_thread(context.registry.set_verification, failed)
            raise
        verified = replace(
            backup,
            status=BackupStatus.VERIFIED,
            verified_at=context.clock().astimezone(UTC),
            error="",
        )
        await asyncio.to_thread(context.registry.set_verification, verified)
        return verified


async def registered(backup_id: str, context: BackupContext) -> Backup:
    """A backup of which there is, or was, a file. Raises BackupError when there is none."""
    backup = await asyncio.to_thread(context.registry.get, backup_id)
    if backup is None:
        raise BackupError(
            f'there is no backup "{backup_id}"', hint="See the list: dbguard backup list"
        )
    if not backup.place:
        raise BackupError(
            f"backup {backup_id} failed when it was made and left no file",
            detail=backup.error,
            hint="Take a new one: dbguard backup now",
        )
    return backup


def not_at_hand(backup: Backup, error: OSError) -> BackupError:
    """The dump cannot be brought here from its location."""
    return BackupError(
        f"backup {backup.id} cannot be fetched",
        detail=f"{(error.strerror or 'input/output error').capitalize()}.",
        hint="Check the free space and the permissions of backup.directory.",
    )


async def _record_failure(attempt: Backup, error: BackupError, context: BackupContext) -> None:
    failed = replace(attempt, finished_at=context.clock().astimezone(UTC), error=_one_line(error))
    try:
        await asyncio.to_thread(context.registry.add, failed)
    except BackupError as second:
        # The first error is the one to tell; that the registry fails too belongs to it.
        error.detail = f"{error.detail} Also, the {second.message}.".strip()


def _one_line(error: BackupError) -> str:
    return f"{error.message}. {error.detail}".strip()
