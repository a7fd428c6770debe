"""The user store as a file: nobody else may read it, and it is never half written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from dbguard.errors import ConfigurationError

from .one_time import verify
from .users import User, encode_users, parse_users

MAX_BYTES: Final = 64 * 1024**2
"""A hundred thousand users take some 30 MB; more is a wrong file."""
_FOR_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
Signature = tuple[int, ...]


def signature_of(path: Path) -> Signature:
    """What changes when somebody writes the file; () when it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode, found.st_uid)


def load_users(path: Path) -> dict[str, User]:
    """The users of a file.

    Raises:
        ConfigurationError: with the file, the place in it, and what to do.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _check_mode(path, found)
            if found.st_size > MAX_BYTES:
                raise ConfigurationError(
                    f"{path}: is larger than {MAX_BYTES} bytes",
                    hint="Check that authentication.users names the right file.",
                )
            data = file.read()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: there is no such file of users",
            hint="Make it with `dbguard user add`, or correct authentication.users.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: file of users cannot be read: {_reason(error)}",
            hint="Correct authentication.users, or let the user that runs dbguard own the file.",
        ) from None
    return parse_users(data, str(path))


def _check_mode(path: Path, found: os.stat_result) -> None:
    """As PostgreSQL asks of private keys: its owner's alone, or root's and read by a group."""
    mode = stat.S_IMODE(found.st_mode)
    readers = stat.S_IRGRP if found.st_uid != 0 else 0
    if mode & (_FOR_OTHERS | readers):
        raise ConfigurationError(
            f"{path}: others may read or write it (mode {mode:04o})",
            detail="Who reads a verifier can try passwords against it without anybody's notice.",
            hint=f"Run: chmod 600 {path}",
        )


def change_users(path: Path, change: Callable[[dict[str, User]], None]) -> None:
    """Let `change` edit the users of a file, which is made if it is not there; the file changes as
    a whole or not at all, and two who change it wait for each other.

    Raises:
        ConfigurationError: it cannot be read or written. What `change` raises is passed on.
    """
    with _locked(path):
        users = load_users(path) if path.exists() else {}
        before = dict(users)
        change(users)
        if users == before and path.exists():
            return
        data = encode_users(users)
        parse_users(data, str(path))  # what could not be read again is not written
        try:
            _replace(path, data)
        except OSError as error:
            raise ConfigurationError(
                f"{path}: file of users cannot be written: {_reason(error)}",
                hint="Run the command as the user who owns the file.",
            ) from None


def accept_one_time(path: Path, name: str, password: str, seconds: float) -> bool:
    """Whether `password` is the user's one-time password at that time (seconds since 1970). One
    that was right is used up, in the file, before anybody is told.

    Raises:
        ConfigurationError: the file cannot be read or written.
    """
    accepted = False

    def use(users: dict[str, User]) -> None:
        nonlocal accepted
        user = users.get(name)
        if user is None or user.disabled or user.one_time is None:
            return
        used = verify(user.one_time, password, seconds)
        if used is not None:
            users[name] = replace(user, one_time=used)
            accepted = True

    change_users(path, use)
    return accepted


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time: by a lock on the folder, which leaves no file behind."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(
            f"{path.parent}: folder cannot be opened: {_reason(error)}",
            hint="Correct authentication.users, or make the folder.",
        ) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, data: bytes) -> None:
    """Raises OSError; the file is then as it was."""
    path = path.resolve()  # a symbolic link stays one
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                before = path.stat()
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _reason(error: OSError) -> str:
    return (error.strerror or "input/output error").lower()
