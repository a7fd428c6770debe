"""Encryption of dumps at rest: AES-256-GCM in chunks, the whole file authenticated.

    magic      8 bytes, `DBGDUMP1`
    key id     8 bytes, the beginning of SHA-256 of the key
    salt       16 bytes, random for each file
    chunks     CHUNK bytes of plain text each (the last one fewer, or none), and 16 bytes of tag

Each file has a key of its own, HKDF-SHA256 of the key and the salt. A chunk's nonce is its number
(11 bytes) and one byte that is 1 for the last one: chunks that were changed, dropped, repeated or
put in another order, and a file that was cut at a chunk's end, do not decrypt (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). The header and the name that the
file was sealed under are authenticated with every chunk, so one file does not pass for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dbguard.errors import BackupError

MAGIC: Final = b"DBGDUMP1"
CHUNK: Final = 1 << 16
"""Bytes of plain text in a chunk: damage is told after so many, and no more of it is held."""
KEY_BYTES: Final = 32
_ID_BYTES: Final = 8
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = len(MAGIC) + _ID_BYTES + _SALT_BYTES
_PURPOSE: Final = b"dbguard dump v1"


@dataclass(frozen=True, slots=True)
class Key:
    """The key that dumps are encrypted with."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Which key it is, in 16 hexadecimal digits; tells nothing of it."""
        return hashlib.sha256(_PURPOSE + self.secret).hexdigest()[: 2 * _ID_BYTES]


def key_from(text: str) -> Key:
    """A key as it is kept: 32 bytes in base64, or in 64 hexadecimal digits.

    Raises:
        BackupError: it is none. The error shows nothing of the text.
    """
    text = text.strip()
    try:
        secret = (
            bytes.fromhex(text)
            if len(text) == 2 * KEY_BYTES
            else base64.b64decode(text, validate=True)
        )
    except (ValueError, binascii.Error):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise BackupError(
            "backup key cannot be used",
            detail="It is not 32 bytes in base64 or hexadecimal digits.",
            hint="Make one: openssl rand -base64 32",
        )
    return Key(secret)


def encrypt(plain: BinaryIO, sealed: BinaryIO, key: Key, name: str) -> None:
    """Write what `plain` holds to `sealed`. Raises OSError."""
    salt = os.urandom(_SALT_BYTES)
    header = MAGIC + bytes.fromhex(key.id) + salt
    sealed.write(header)
    cipher, bound = _cipher(key, salt), header + name.encode()
    for number, (chunk, last) in enumerate(_chunks(plain, CHUNK)):
        sealed.write(cipher.encrypt(_nonce(number, last), chunk, bound))


def decrypt(sealed: BinaryIO, plain: BinaryIO, key: Key, name: str) -> None:
    """Write what was encrypted under `name` to `plain`.

    What is written before an error is whole and in order, and not all there was.

    Raises:
        BackupError: it is encrypted with another key, or was changed or cut.
        OSError: a file cannot be read or written.
    """
    header = sealed.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(MAGIC):
        raise _damaged()
    if header[len(MAGIC) : len(MAGIC) + _ID_BYTES].hex() != key.id:
        raise BackupError(
            "dump is encrypted with another key",
            detail=f"It says {header[len(MAGIC) : len(MAGIC) + _ID_BYTES].hex()}, and the key of "
            f"the settings is {key.id}.",
            hint="Name the key that it was made with in backup.key.",
        )
    cipher, bound = _cipher(key, header[-_SALT_BYTES:]), header + name.encode()
    for number, (chunk, last) in enumerate(_chunks(sealed, CHUNK + _TAG_BYTES)):
        try:
            plain.write(cipher.decrypt(_nonce(number, last), chunk, bound))
        except (InvalidTag, ValueError):
            raise _damaged() from None


def _cipher(key: Key, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, _PURPOSE).derive(key.secret))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of `size` bytes, and whether each is the last one; at least one, however short."""
    here = _read(file, size)
    while len(here) == size:
        behind = _read(file, size)
        if not behind:
            break
        yield here, False
        here = behind
    yield here, True


def _read(file: BinaryIO, size: int) -> bytes:
    """As many bytes as there are up to `size`: a pipe gives fewer at a time."""
    parts = b""
    while len(parts) < size and (more := file.read(size - len(parts))):
        parts += more
    return parts


def _damaged() -> BackupError:
    return BackupError(
        "dump was changed or cut since it was encrypted",
        detail="Its authentication tags do not fit.",
        hint="It does not count. Find out who changed it, and take a new one.",
    )
