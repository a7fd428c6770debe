"""Taking a backup and proving it; proving it again later."""

from __future__ import annotations

import asyncio
import enum
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, ServerAccess, disconnect, identify
from dbguard.guards.backup.binaries import Binaries, find_binaries
from dbguard.guards.backup.counting import count_rows
from dbguard.guards.backup.dump_file import (
    PARTIAL_SUFFIX,
    create_private,
    locked_directory,
    publish,
    remove_partial_files,
    sha256_of,
)
from dbguard.guards.backup.model import Backup, BackupStatus, Clock, DatabaseIdentity, RowCounts
from dbguard.guards.backup.program import only_unknown_timeout, run_program
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.scratch import drop_leftovers, scratch_database

OLDEST_SERVER: Final = 13
"""DROP DATABASE … WITH (FORCE) came with 13, and a scratch database must be droppable."""
T = TypeVar("T")
TIMEOUT_SINCE: Final = 17
"""The release that brought the setting transaction_timeout."""
_TABLE_BYTES: Final = """
SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::pg_catalog.int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

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


class Step(enum.StrEnum):
    """What is being done, for a progress display."""

    COUNT = "counting rows"
    DUMP = "dumping"
    RESTORE = "restoring into a scratch database"
    COMPARE = "comparing row counts"


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


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is to be dumped: an exported snapshot and what is in it."""

    database: DatabaseIdentity
    taken_at: datetime
    name: str
    counts: RowCounts
    binaries: Binaries


async def take_backup(database: str, context: BackupContext) -> Backup:
    """Dump `database`, restore the dump, compare, register, and return the verified backup.

    Raises BackupError; no file and no scratch database is left then, and the failed attempt is
    in the registry, if it had come as far as the dump.
    """
    with locked_directory(context.directory):
        await asyncio.to_thread(remove_partial_files, context.directory)
        await drop_leftovers(context.access, context.directory)
        started = context.clock().astimezone(UTC)
        backup_id = f"{started:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
        final = context.directory / f"{backup_id}.dump"
        partial = final.with_name(final.name + PARTIAL_SUFFIX)
        attempt: Backup | None = None
        kept = False
        try:
            async with _snapshot(database, context) as snapshot:
                attempt = Backup(
                    backup_id,
                    snapshot.database,
                    snapshot.taken_at,
                    started,
                    BackupStatus.FAILED,
                    counts=snapshot.counts,
                    tool=snapshot.binaries.description,
                )
                context.progress(Step.DUMP)
                await _dump(snapshot, partial, context)
            digest = await asyncio.to_thread(sha256_of, partial)
            await _prove(attempt, partial, snapshot.binaries, context)
            await asyncio.to_thread(publish, partial, final)
            now = context.clock().astimezone(UTC)
            backup = replace(
                attempt,
                status=BackupStatus.VERIFIED,
                finished_at=now,
                verified_at=now,
                path=final,
                bytes=final.stat().st_size,
                sha256=digest,
            )
            # Not in a thread: an interruption in between would leave a row without its file.
            context.registry.add(backup)
            kept = True
            return backup
        except BackupError as error:
            if attempt is not None:
                await _record_failure(attempt, error, context)
            raise
        except OSError as error:
            raise BackupError(
                f'backup of database "{database}" could not be written',
                detail=f"{context.directory}: {(error.strerror or 'input/output error').lower()}.",
                hint="Check the free space and the permissions of backup.directory.",
            ) from None
        finally:
            partial.unlink(missing_ok=True)
            if not kept:
                final.unlink(missing_ok=True)


async def verify_backup(backup_id: str, context: BackupContext) -> Backup:
    """Check the file of a registered backup and restore it again.

    The result is registered: a backup that fails no longer counts. Raises BackupError then, and
    also when it could not be found out (server not reachable), which changes nothing.
    """
    backup = await asyncio.to_thread(context.registry.get, backup_id)
    if backup is None:
        raise BackupError(
            f'there is no backup "{backup_id}"', hint="See the list: dbguard backup list"
        )
    if backup.path is None:
        raise BackupError(
            f"backup {backup_id} failed when it was made and left no file",
            detail=backup.error,
            hint="Take a new one: dbguard backup now",
        )
    with locked_directory(context.directory):
        await drop_leftovers(context.access, context.directory)
        connection = await context.access.connect(context.access.database)
        try:
            major = _server_major(connection)
        finally:
            await disconnect(connection)
        binaries = await _binaries(major, context)
        try:
            await asyncio.to_thread(_check_file, backup, backup.path)
            await _prove(backup, backup.path, binaries, context)
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


@asynccontextmanager
async def _snapshot(database: str, context: BackupContext) -> AsyncIterator[_Snapshot]:
    """An exported snapshot of the database, its rows counted; gone when the block ends."""
    connection = await context.access.connect(database)
    try:
        binaries = await _binaries(_server_major(connection), context)
        identity = await identify(connection, context.access)
        context.progress(Step.COUNT)
        # Before the first query, so that the age is never understated.
        taken_at = context.clock().astimezone(UTC)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute(f"SET LOCAL lock_timeout = {_milliseconds(context)}")
        _check_space(database, await connection.fetchval(_TABLE_BYTES), context)
        name = await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
        counts = await count_rows(connection)
        snapshot = _Snapshot(identity, taken_at, name, counts, binaries)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        await disconnect(connection)
        raise _query_failed("rows could not be counted for the backup", error) from None
    except BaseException:
        await disconnect(connection)
        raise
    try:
        yield snapshot
    finally:
        await disconnect(connection)


async def _dump(snapshot: _Snapshot, path: Path, context: BackupContext) -> None:
    name = snapshot.database.name
    await asyncio.to_thread(create_private, path)
    await run_program(
        [
            str(snapshot.binaries.pg_dump),
            "--format=custom",
            "--no-password",
            f"--snapshot={snapshot.name}",
            f"--lock-wait-timeout={_milliseconds(context)}",
            f"--file={path}",
            f"--dbname={context.access.command_line_url(name)}",
        ],
        _environment(snapshot.binaries, context),
        what=f'dump of database "{name}"',
        hint="Correct the cause and run the backup again.",
    )


async def _prove(backup: Backup, path: Path, binaries: Binaries, context: BackupContext) -> None:
    """Restore `path` and compare with the recorded counts. Raises BackupError."""
    access = context.access
    database = backup.database.name
    context.progress(Step.RESTORE)
    async with scratch_database(access, database, backup.id, context.directory) as scratch:
        skewed, superuser = await _ask_scratch(access, scratch, _restore_facts)
        # pg_restore of 17 and later always meets one error on older servers, so there it has to
        # go on and be judged by its messages.
        skewed = skewed and binaries.major >= TIMEOUT_SINCE
        await run_program(
            [
                str(binaries.pg_restore),
                *([] if skewed else ["--exit-on-error"]),
                "--no-password",
                # A copy must not subscribe to anything, nor need the original's disks.
                "--no-publications",
                "--no-subscriptions",
                "--no-tablespaces",
                # Owners and grants need a superuser; the rows do not depend on them.
                *([] if superuser else ["--no-owner", "--no-privileges"]),
                f"--dbname={access.command_line_url(scratch)}",
                str(path),
            ],
            _environment(binaries, context),
            what=f'restoring the dump of database "{database}"',
            hint="This dump does not count. Correct the cause and take a new backup.",
            harmless=only_unknown_timeout if skewed else lambda messages: False,
        )
        context.progress(Step.COMPARE)
        restored = await _ask_scratch(access, scratch, count_rows)
    if difference := backup.counts.difference(restored):
        raise BackupError(
            f'restored copy differs from the snapshot of database "{database}"',
            detail=f"{difference[:1].upper()}{difference[1:]}.",
            hint="This dump does not count. Take a new backup.",
        )


async def _ask_scratch(
    access: ServerAccess, scratch: str, ask: Callable[[Connection], Awaitable[T]]
) -> T:
    """Ask the scratch database something, over a connection that is closed while it is filled."""
    connection = await access.connect(scratch)
    try:
        return await ask(connection)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _query_failed("restored copy could not be checked", error) from None
    finally:
        await disconnect(connection)


async def _restore_facts(connection: Connection) -> tuple[bool, bool]:
    """Whether the server is older than the setting transaction_timeout; whether we rule it."""
    superuser = await connection.fetchval(
        "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )
    return _server_major(connection) < TIMEOUT_SINCE, bool(superuser)


async def _binaries(server_major: int, context: BackupContext) -> Binaries:
    return await find_binaries(
        server_major,
        environ=context.environ,
        configured=context.binaries,
        needs_tls=context.access.needs_tls,
    )


def _environment(binaries: Binaries, context: BackupContext) -> dict[str, str]:
    """The program's environment. The password goes this way: a command line is public."""
    password = context.access.password
    return dict(binaries.environment) | ({"PGPASSWORD": password} if password else {})


def _server_major(connection: Connection) -> int:
    major: int = connection.get_server_version().major
    if major < OLDEST_SERVER:
        raise BackupError(
            f"server is PostgreSQL {major}",
            detail=f"Backups need {OLDEST_SERVER} or later.",
            hint="Upgrade the server, or take backups by other means.",
        )
    return major


def _milliseconds(context: BackupContext) -> int:
    return max(1, round(context.lock_wait_seconds * 1000))


def _check_space(database: str, needed: int, context: BackupContext) -> None:
    """A dump is compressed and has no indexes, so the size of the tables is a safe bound."""
    free = context.free_bytes(context.directory)
    if free < needed:
        raise BackupError(
            f'not enough free space for a backup of database "{database}"',
            detail=f"{context.directory} has {_mib(free)} MiB free, tables take {_mib(needed)}.",
            hint="Remove old dumps, or set backup.directory to a larger disk.",
        )


def _mib(size: int) -> int:
    return -(-size // 1024**2)


def _check_file(backup: Backup, path: Path) -> None:
    try:
        size, digest = path.stat().st_size, sha256_of(path)
    except OSError as error:
        raise BackupError(
            f"file of backup {backup.id} cannot be read",
            detail=f"{path}: {(error.strerror or 'input/output error').lower()}.",
            hint="It does not count. Take a new one: dbguard backup now",
        ) from None
    if size != backup.bytes or digest != backup.sha256:
        raise BackupError(
            f"file of backup {backup.id} was changed",
            detail=f"{path} does not have the recorded size and SHA-256.",
            hint="It does not count. Find out who changed it, and take a new one.",
        )


def _query_failed(message: str, error: Exception) -> BackupError:
    """Server errors by their code only: their text may quote a row."""
    code = getattr(error, "sqlstate", None)
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


async def _record_failure(attempt: Backup, error: BackupError, context: BackupContext) -> None:
    failed = replace(attempt, finished_at=context.clock().astimezone(UTC), error=_one_line(error))
    try:
        await asyncio.to_thread(context.registry.add, failed)
    except BackupError as second:
        # The first error is the one to tell; that the registry fails too belongs to it.
        error.detail = f"{error.detail} Also, the {second.message}.".strip()


def _one_line(error: BackupError) -> str:
    return f"{error.message}. {error.detail}".strip()
