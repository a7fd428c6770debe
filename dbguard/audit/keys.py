"""The signing key on disk.

The private key is a PEM file (PKCS 8) that only its owner may read. Beside it, with `.pub` behind
the name instead of `.key`, stand the public keys: one vkey a line, all that were ever in use, the
newest last. Hand that file to whoever checks the trail.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dbguard.audit.notes import Signer, UnusableNote, VerifyingKey
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def public_path(path: Path) -> Path:
    """Where the public keys of the key at `path` are."""
    return path.with_suffix(".pub")


def load_or_create(path: Path) -> Signer:
    """The key at `path`, made now if there is none yet. Raises ConfigurationError."""
    try:
        try:
            signer = load(path)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # another dbguard was faster: its key it is
                place(path, _pem(Ed25519PrivateKey.generate()), replace=False)
            signer = load(path)
        remember_public(path, signer.key)
    except OSError as error:
        raise _unusable(path, f"cannot be made: {_reason(error)}") from error
    return signer


def load(path: Path) -> Signer:
    """The key at `path`. Raises ConfigurationError, FileNotFoundError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, f"cannot be read: {_reason(error)}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "is not a file")
        if status.st_mode & _OTHERS:
            raise _unusable(
                path,
                "is open to other users",
                f"Run `chmod 600 {path}`. Who may have read it can sign as dbguard: if that "
                "cannot be ruled out, run `dbguard audit key rotate`.",
            )
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(64 * 1024)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {_reason(error)}") from error
    finally:
        os.close(descriptor)
    try:
        private = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "is not a private key in PEM form without a password") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _unusable(path, "is not an Ed25519 key")
    return Signer(private)


def replace(path: Path, private: Ed25519PrivateKey) -> None:
    """Put another key in the place of the one at `path`, all or nothing. Raises OSError."""
    place(path, _pem(private), replace=True)


def public_keys(path: Path) -> list[VerifyingKey]:
    """All keys that were ever at `path`, oldest first. Raises ConfigurationError."""
    public = public_path(path)
    try:
        with open_regular(public) as file:
            lines = file.read().decode("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(public, "cannot be read") from error
    found = []
    for line in lines:
        with contextlib.suppress(UnusableNote):
            found.append(VerifyingKey.parse(line))
    return found


def remember_public(path: Path, key: VerifyingKey) -> None:
    """Have `key` stand last among the public keys of the key at `path`. Raises OSError."""
    known = [one.text for one in public_keys(path)]
    if known[-1:] == [key.text]:
        return
    lines = [*(text for text in known if text != key.text), key.text]
    place(
        public_path(path), "".join(f"{line}\n" for line in lines).encode(), replace=True, mode=0o644
    )


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def place(path: Path, data: bytes, *, replace: bool = True, mode: int = 0o600) -> None:
    """Make the file at `path` hold `data`, all of it or nothing, durably.

    Raises OSError; FileExistsError when it is there and not to be replaced.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                path.hardlink_to(temporary)
                temporary.unlink()
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno or 0)


def _unusable(path: Path, what: str, hint: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the key that signs the audit trail {what}",
        hint=hint
        or "Name another file with audit.checkpoints.key; dbguard makes the key where there is "
        "none yet.",
    )
