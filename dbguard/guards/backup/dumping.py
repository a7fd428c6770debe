"""Running pg_dump: one file or a folder of them, encrypted before it is kept.

In the custom format nothing reaches the disk in plain text: pg_dump writes into a pipe. In the
directory format pg_dump needs a folder of its own; its files are encrypted one by one into a second
one and removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Final

from dbguard.errors import BackupError
from dbguard.guards.backup.context import BackupContext, Vanished
from dbguard.guards.backup.dump_file import PARTIAL_SUFFIX, create_private, files_of, remove
from dbguard.guards.backup.model import Backup, DumpFormat
from dbguard.guards.backup.program import ProgramFailed, run_program
from dbguard.guards.backup.sealing import Key, decrypt, encrypt
from dbguard.guards.backup.snapshots import Exported

_GONE: Final = (
    'relation "', 'schema "', "could not open relation with OID ", "cache lookup failed for ",
)  # fmt: skip
"""How pg_dump ends where something was dropped between its look at the catalog and its lock."""
_SUFFIXES: Final = {DumpFormat.CUSTOM: ".dump", DumpFormat.DIRECTORY: ".dir"}
SEALED_SUFFIX: Final = ".sealed"
_PLAIN: Final = ".plain"
"""Of a folder that is in plain text for a while, in front of PARTIAL_SUFFIX."""


def file_name(backup_id: str, form: DumpFormat, key: Key | None) -> str:
    """What a dump is called in the backup directory."""
    return backup_id + _SUFFIXES[form] + (SEALED_SUFFIX if key else "")


async def write_dump(
    snapshot: Exported, backup_id: str, partial: Path, key: Key | None, context: BackupContext
) -> None:
    """Dump `snapshot` into `partial`, which is encrypted where there is a key.

    Raises:
        BackupError: pg_dump failed.
        OSError: it cannot be written.
    """
    if context.format is DumpFormat.CUSTOM:
        await asyncio.to_thread(create_private, partial)
        if key is None:
            await _run(snapshot, context, f"--file={partial}")
            return

        def seal(pipe: BinaryIO) -> None:
            with partial.open("wb") as sealed:
                encrypt(pipe, sealed, key, backup_id)

        async with _drained(seal) as (stdout, started):
            await _run(snapshot, context, stdout=stdout, started=started)
        return
    plain = partial
    if key is not None:
        plain = partial.with_name(backup_id + _PLAIN + PARTIAL_SUFFIX)
    try:
        # pg_dump makes the folder, which is closed to others from the beginning
        await _run(snapshot, context, f"--file={plain}", f"--jobs={context.jobs}")
        await asyncio.to_thread(_close_to_others, plain)
        if key is not None:
            await asyncio.to_thread(_seal_folder, plain, partial, key, backup_id)
    finally:
        if key is not None:
            await asyncio.to_thread(remove, plain)


async def _run(
    snapshot: Exported,
    context: BackupContext,
    *more: str,
    stdout: int = asyncio.subprocess.DEVNULL,
    started: Callable[[], None] = lambda: None,
) -> None:
    name = snapshot.database.name
    partly = [] if snapshot.tables is None else ["--no-blobs"]
    program = run_program(
        [
            str(snapshot.binaries.pg_dump),
            f"--format={context.format.value}",
            "--no-password",
            f"--snapshot={snapshot.name}",
            f"--lock-wait-timeout={context.lock_wait_milliseconds}",
            *partly,
            *(f"--exclude-table-data={table}" for table in snapshot.left_out),
            *more,
            f"--dbname={context.access.command_line_url(name)}",
        ],
        context.environment(snapshot.binaries),
        what=f'dump of database "{name}"',
        hint="Correct the cause and run the backup again.",
        stdout=stdout,
        started=started,
    )
    try:
        await program
    except ProgramFailed as error:
        if error.why.startswith(_GONE):
            raise Vanished(error.message, detail=error.detail, hint=error.hint) from None
        raise


@contextlib.asynccontextmanager
async def _drained(
    take: Callable[[BinaryIO], None],
) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """The end of a pipe to write to; what comes out of it is taken in a thread."""
    read_end, write_end = os.pipe()

    def work() -> None:
        with os.fdopen(read_end, "rb") as pipe:
            take(pipe)

    async with _with_thread(work, write_end) as started:
        yield write_end, started


@contextlib.asynccontextmanager
async def fed(path: Path, key: Key, name: str) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """The end of a pipe to read from, in which stands what `path` holds, decrypted."""
    read_end, write_end = os.pipe()

    def work() -> None:
        with (
            contextlib.suppress(BrokenPipeError),
            os.fdopen(write_end, "wb") as pipe,
            path.open("rb") as sealed,
        ):
            decrypt(sealed, pipe, key, name)

    async with _with_thread(work, read_end) as started:
        yield read_end, started


@contextlib.asynccontextmanager
async def _with_thread(
    work: Callable[[], None], programs_end: int
) -> AsyncIterator[Callable[[], None]]:
    """`work` runs in a thread for as long as a program has the other end of its pipe. What went
    wrong in it is told first: the program only noticed.

    Gives what has to be called when the program has its end.
    """
    working = asyncio.get_running_loop().run_in_executor(None, work)
    open_ends = [programs_end]

    def started() -> None:
        while open_ends:
            os.close(open_ends.pop())

    try:
        yield started
    except BackupError:
        started()
        await working
        raise
    except BaseException:
        started()
        with contextlib.suppress(BackupError, OSError):
            await asyncio.shield(working)
        raise
    started()
    await working


def _close_to_others(folder: Path) -> None:
    folder.chmod(0o700)
    for file in files_of(folder):
        file.chmod(0o600)


def _seal_folder(plain: Path, sealed: Path, key: Key, backup_id: str) -> None:
    sealed.mkdir(mode=0o700)
    for file in files_of(plain):
        target = sealed / file.name
        create_private(target)
        with file.open("rb") as source, target.open("wb") as out:
            encrypt(source, out, key, f"{backup_id}/{file.name}")
        file.unlink()


def _open_folder(sealed: Path, plain: Path, key: Key, backup_id: str) -> None:
    plain.mkdir(mode=0o700)
    for file in files_of(sealed):
        target = plain / file.name
        create_private(target)
        with file.open("rb") as source, target.open("wb") as out:
            decrypt(source, out, key, f"{backup_id}/{file.name}")


@contextlib.asynccontextmanager
async def opened_folder(backup: Backup, path: Path, key: Key | None) -> AsyncIterator[Path]:
    """A folder that pg_restore can read, for the time of the block.

    Raises:
        BackupError: it is encrypted otherwise, or was changed.
        OSError: it cannot be read, or its plain text not written.
    """
    if key is None:
        yield path
        return
    plain = path.with_name(backup.id + _PLAIN + PARTIAL_SUFFIX)
    try:
        await asyncio.to_thread(_open_folder, path, plain, key, backup.id)
        yield plain
    finally:
        await asyncio.to_thread(remove, plain)
