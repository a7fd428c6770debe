"""The few file operations that durability hangs on, behind a protocol.

Everything is written at an explicit offset, so that repeating a write that failed half way is
harmless. Tests put a storage in place that fails at chosen calls or forgets what was not synced.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from dbguard.verification.regular_file import regular_descriptor


class AuditFile(Protocol):
    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at `offset` (bytes); returns how many bytes were taken, which may be fewer."""

    def fdatasync(self) -> None: ...

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class DirectoryLock(Protocol):
    def release(self) -> None: ...


class Storage(Protocol):
    """All methods raise OSError."""

    def prepare(self, directory: Path) -> None:
        """Create the directory (0700) where it is missing."""

    def lock(self, directory: Path) -> DirectoryLock:
        """Take the directory for one writer. Raises BlockingIOError when somebody has it."""

    def open(self, path: Path) -> AuditFile:
        """Open for writing, created (0600) where missing."""

    def rename(self, path: Path, target: Path) -> None: ...

    def sync_directory(self, directory: Path) -> None:
        """Make created names durable."""


class _DescriptorFile:
    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pwrite(self, data: bytes, offset: int) -> int:
        return os.pwrite(self._descriptor, data, offset)

    def fdatasync(self) -> None:
        # macOS has no fdatasync.
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class _DescriptorLock:
    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class FileStorage:
    """The real thing."""

    def prepare(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self, directory: Path) -> DirectoryLock:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return _DescriptorLock(descriptor)

    def open(self, path: Path) -> AuditFile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        return _DescriptorFile(regular_descriptor(path, flags))

    def rename(self, path: Path, target: Path) -> None:
        path.rename(target)

    def sync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_fully(file: AuditFile, data: bytes, offset: int) -> None:
    """Write all of `data`: one call may take less than it was given."""
    taken = file.pwrite(data, offset)
    while taken < len(data):
        offset += taken
        data = data[taken:]
        taken = file.pwrite(data, offset)
