"""The dump file: private, complete or absent, and recognisable when it was changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError

PARTIAL_SUFFIX: Final = ".partial"
_LOCK_NAME: Final = ".lock"
_CHUNK: Final = 1024 * 1024


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """The backup directory, private, and ours alone while inside. Raises BackupError."""
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
            raise BackupError(
                "another backup is running",
                detail=f"It holds the lock of {directory}.",
                hint="Wait until it is done and try again.",
            ) from None
        yield
    finally:
        os.close(lock)


def remove_partial_files(directory: Path) -> None:
    """Remove what killed runs left."""
    for path in directory.glob("*" + PARTIAL_SUFFIX):
        path.unlink(missing_ok=True)


def create_private(path: Path) -> None:
    """An empty file that only its owner may read, for pg_dump to write into."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def publish(partial: Path, final: Path) -> None:
    """Give a finished dump its name; after this it survives a power failure."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(final)
    directory = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
