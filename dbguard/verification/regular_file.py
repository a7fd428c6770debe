"""Opening what should be a file: the audit directory may hold anything by the name of one."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

HINT: Final = (
    "dbguard did not put it there: find out who did, move it away, and run `dbguard audit verify`."
)
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


class NotAFile(OSError):
    """Something else stands by the name of a file. `filename` says where, `strerror` what."""

    def __init__(self, path: Path, mode: int) -> None:
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        super().__init__(errno.EINVAL, f"not a regular file but {kind}", str(path))


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """The file, for reading. A pipe or a device is an error, not something to wait for.

    `follow`: a symbolic link to a file will do. Raises NotAFile, OSError.
    """
    flags = os.O_RDONLY | (0 if follow else os.O_NOFOLLOW)
    return os.fdopen(regular_descriptor(path, flags), "rb")


def regular_descriptor(path: Path, flags: int, mode: int = 0o600) -> int:
    """As os.open, which neither waits nor opens anything but a file. Raises NotAFile, OSError."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR, errno.ELOOP, errno.EOPNOTSUPP):
            raise NotAFile(path, os.lstat(path).st_mode) from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(path, status.st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
