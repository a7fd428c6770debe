"""Running pg_restore over a dump, encrypted or not, whole or in part."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, disconnect
from dbguard.guards.backup.binaries import Binaries
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, query_failed, server_major
from dbguard.guards.backup.dump_file import PARTIAL_SUFFIX, create_private
from dbguard.guards.backup.dumping import fed, opened_folder
from dbguard.guards.backup.model import Backup, DumpFormat
from dbguard.guards.backup.program import only_unknown_timeout, run_program
from dbguard.guards.backup.sealing import Key

TIMEOUT_SINCE: Final = 17
"""The release that brought the setting transaction_timeout."""
_NEED_ALL_ROWS: Final = ("FK CONSTRAINT ", "MATERIALIZED VIEW DATA ")
"""Entries of a dump that cannot be restored, or not as they were, where rows of some tables are
missing."""


async def restore(
    backup: Backup, path: Path, target: str, binaries: Binaries, context: BackupContext
) -> bool:
    """Restore the dump at `path` into the empty database `target`.

    Returns whether owners and grants were restored as well. Raises BackupError.
    """
    key = await key_of(backup, context)
    skewed, superuser = await _facts(target, context)
    # pg_restore of 17 and later always meets one error on older servers, so there it has to
    # go on and be judged by its messages.
    skewed = skewed and binaries.major >= TIMEOUT_SINCE
    arguments = [
        *([] if skewed else ["--exit-on-error"]),
        "--no-password",
        # A copy must not subscribe to anything, nor need the original's disks.
        "--no-publications",
        "--no-subscriptions",
        "--no-tablespaces",
        # Owners and grants need a superuser; the rows do not depend on them.
        *([] if superuser else ["--no-owner", "--no-privileges"]),
    ]
    if backup.format is DumpFormat.DIRECTORY and context.jobs > 1 and not skewed:
        arguments.append(f"--jobs={context.jobs}")
    async with (
        _readable(backup, path, key) as archive,
        _listed(backup, path, archive, binaries, context) as chosen,
    ):
        await archive.run(
            [
                str(binaries.pg_restore),
                *arguments,
                *chosen,
                f"--dbname={context.access.command_line_url(target)}",
            ],
            context.environment(binaries),
            what=f'restoring the dump of database "{backup.database.name}"',
            harmless=only_unknown_timeout if skewed else lambda messages: False,
        )
    return superuser


async def dumped_foreign_keys(
    backup: Backup, path: Path, binaries: Binaries, context: BackupContext
) -> str:
    """The statements that make the foreign keys of a dump, as pg_restore writes them: of a part
    they are not restored.

    Raises:
        BackupError: pg_restore failed.
        OSError: what it writes cannot be read.
    """
    key = await key_of(backup, context)
    written = path.with_name(f"{backup.id}.keys{PARTIAL_SUFFIX}")
    create_private(written)
    try:
        async with (
            _readable(backup, path, key) as archive,
            _list_of(backup, path, archive, binaries, context, _is_foreign_key) as chosen,
        ):
            await archive.run(
                [str(binaries.pg_restore), *chosen, f"--file={written}"],
                context.environment(binaries),
                what=f"reading the keys of backup {backup.id}",
            )
        return await asyncio.to_thread(written.read_text, "utf-8", "replace")
    finally:
        written.unlink(missing_ok=True)


async def key_of(backup: Backup, context: BackupContext) -> Key | None:
    """The key that the dump is encrypted with; None when it is not. Raises BackupError."""
    if not backup.key:
        return None
    key = await context.key()
    if key is None:
        raise BackupError(
            f"backup {backup.id} is encrypted",
            detail=f"It needs the key {backup.key}.",
            hint="Name its key in backup.key.",
        )
    return key


class _Archive:
    """A dump that pg_restore can be run over."""

    def __init__(self, folder: Path | None, sealed: Path | None, key: Key | None, name: str):
        self._path, self._sealed, self._key, self._name = folder, sealed, key, name

    async def run(
        self,
        argv: list[str],
        environment: dict[str, str],
        *,
        what: str,
        harmless: Callable[[str], bool] = lambda messages: False,
    ) -> None:
        hint = "This dump does not count. Correct the cause and take a new backup."
        if self._sealed is None:
            await run_program(
                [*argv, str(self._path)], environment, what=what, hint=hint, harmless=harmless
            )
            return
        assert self._key is not None
        async with fed(self._sealed, self._key, self._name) as (stdin, started):
            await run_program(
                argv,
                environment,
                what=what,
                hint=hint,
                harmless=harmless,
                stdin=stdin,
                started=started,
            )


@contextlib.asynccontextmanager
async def _readable(backup: Backup, path: Path, key: Key | None) -> AsyncIterator[_Archive]:
    if backup.format is DumpFormat.DIRECTORY:
        async with opened_folder(backup, path, key) as folder:
            yield _Archive(folder, None, None, "")
    elif key is not None:
        yield _Archive(None, path, key, backup.id)
    else:
        yield _Archive(path, None, None, "")


@contextlib.asynccontextmanager
async def _listed(
    backup: Backup, path: Path, archive: _Archive, binaries: Binaries, context: BackupContext
) -> AsyncIterator[list[str]]:
    """The arguments that leave out what cannot be restored of a dump without all rows."""
    if backup.tables is None:
        yield []
        return

    def kept(line: str) -> bool:
        return not _entry(line).startswith(_NEED_ALL_ROWS)

    async with _list_of(backup, path, archive, binaries, context, kept) as chosen:
        yield chosen


@contextlib.asynccontextmanager
async def _list_of(
    backup: Backup,
    path: Path,
    archive: _Archive,
    binaries: Binaries,
    context: BackupContext,
    kept: Callable[[str], bool],
) -> AsyncIterator[list[str]]:
    """The arguments that leave those entries of a dump whose lines in its list are `kept`."""
    listing = path.with_name(f"{backup.id}.list{PARTIAL_SUFFIX}")
    create_private(listing)
    try:
        await archive.run(
            [str(binaries.pg_restore), "--list", f"--file={listing}"],
            context.environment(binaries),
            what=f"listing backup {backup.id}",
        )
        lines = listing.read_text("utf-8", "replace").splitlines(keepends=True)
        listing.write_text("".join(line for line in lines if kept(line)), "utf-8")
        yield [f"--use-list={listing}"]
    finally:
        listing.unlink(missing_ok=True)


def _is_foreign_key(line: str) -> bool:
    return _entry(line).startswith("FK CONSTRAINT ")


def _entry(line: str) -> str:
    """From its kind on, of a line like
    `3456; 2606 16412 FK CONSTRAINT clinic visits visits_patient_fkey owner`."""
    words = line.split(" ", 3)
    return words[3] if len(words) == 4 else ""


async def _facts(target: str, context: BackupContext) -> tuple[bool, bool]:
    """Whether the server is older than the setting transaction_timeout; whether we rule it."""
    connection: Connection = await context.access.connect(target)
    try:
        superuser = await connection.fetchval(
            "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        )
        return server_major(connection) < TIMEOUT_SINCE, bool(superuser)
    except SERVER_ERRORS as error:
        raise query_failed("restored copy could not be checked", error) from None
    finally:
        await disconnect(connection)
