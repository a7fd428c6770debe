"""What is kept of a dump, one file or a folder of them: private, complete or absent, and
recognisable when it was changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError

PARTIAL_SUFFIX: Final = ".partial"
_LOCK_NAME: Final = ".lock"
_CHUNK: Final = 1024 * 1024


class BackupBusy(BackupError):
    """Somebody else is at work in the backup directory."""


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """The backup directory, private, and ours alone while inside.

    Raises BackupError, BackupBusy when it is somebody else's.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
        lock = os.open(directory / _LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupError(
            "backup directory cannot be used",
            detail=f"{directory}: {(error.strerror or 'input/output error').lower()}.",
            hint="Make it writable for the user that dbguard runs as, or set backup.directory.",
        ) from None
    try:
        if mode & 0o077:
            raise BackupError(
                "backup directory is open to other users",
                detail=f"{directory} has mode {mode & 0o777:04o}, and dumps hold all data.",
                hint=f"Run: chmod 700 {directory}",
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupBusy(
                "another backup is running",
                detail=f"It holds the lock of {directory}.",
                hint="Wait until it is done and try again.",
            ) from None
        yield
    finally:
        os.close(lock)


def remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it, if it is there. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_partial_files(directory: Path) -> None:
    """Remove what killed runs left."""
    for path in directory.glob("*" + PARTIAL_SUFFIX):
        remove(path)


def create_private(path: Path) -> None:
    """An empty file that only its owner may read, for pg_dump to write into."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def write_private(path: Path, text: str) -> None:
    """A small file that only its owner may read, and that survives a power failure. Raises
    OSError."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def files_of(path: Path) -> list[Path]:
    """The file, or those of the folder in order of their names. Raises OSError."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    return [path]


def publish(partial: Path, final: Path) -> None:
    """Give a finished dump its name; after this it survives a power failure."""
    for one in files_of(partial):
        with one.open("rb") as file:
            os.fsync(file.fileno())
    if partial.is_dir():
        _sync_folder(partial)
    partial.rename(final)
    _sync_folder(final.parent)


def _sync_folder(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits; of a folder, that of the list of its files with
    theirs, as sha256sum writes it. Raises OSError."""
    if path.is_dir():
        lines = (f"{_sha256(file)}  {file.name}\n" for file in files_of(path))
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    return _sha256(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def size_of(path: Path) -> int | None:
    """Bytes of a regular file, or of those of a folder; None when there is none to be seen."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in files_of(path))
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
