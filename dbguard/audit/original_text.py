"""A statement's original text, sealed so that only an auditor's key opens it.

HPKE (RFC 9180, base mode): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Session and
fingerprint of the record are HPKE's `info`, which section 8.1 recommends for what single messages
are to be bound to: a text that was put into another record does not open.

    sealed = base64(1 ‖ key id (4 bytes) ‖ encapsulated key (32) ‖ ciphertext and tag)
    inside = length of the whole text (4 bytes) ‖ length of what is here (4) ‖ UTF-8 ‖ zeros

The zeros make it a multiple of 256 bytes, so that the length of a literal is not told. Key id: the
first 4 bytes of SHA-256 of the raw public key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from dbguard.audit.keys import place, public_path
from dbguard.errors import ConfigurationError

VERSION: Final = b"\x01"
KEY_ID_BYTES: Final = 4
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PURPOSE: Final = "dbguard original text"
_LENGTHS: Final = Struct("!II")
_BLOCK: Final = 256
_KEPT_BYTES: Final = 8 << 20
"""Of texts that are sealed already: those that a busy process runs again and again."""
_KEY_FILE_BYTES: Final = 64 * 1024


class CannotOpen(ValueError):
    """A sealed text that this key does not open; the reason in words."""


@dataclass(frozen=True, slots=True)
class OriginalText:
    text: str = field(repr=False)
    whole_bytes: int
    """How long the statement was; more than there is of it where it was cut."""

    @property
    def is_cut(self) -> bool:
        return len(self.text.encode()) < self.whole_bytes


@dataclass(slots=True)
class TextSealer:
    """Seals texts for one auditor.

    A text that runs again in the same session is not sealed again: a key exchange takes about
    as long as the rest of a known statement, and the binding is the same.
    """

    key: X25519PublicKey
    max_bytes: int
    _known: OrderedDict[tuple[str, str, str], str] = field(default_factory=OrderedDict, repr=False)
    _size: int = 0

    def seal(self, text: str, session: str, fingerprint: str) -> str:
        """The sealed text of one record."""
        asked = (session, fingerprint, text)
        found = self._known.get(asked)
        if found is None:
            found = self._known[asked] = self._sealed(text, session, fingerprint)
            self._size += _weight(text, found)
            while self._size > _KEPT_BYTES:
                (_, _, old), sealed = self._known.popitem(last=False)
                self._size -= _weight(old, sealed)
        else:
            self._known.move_to_end(asked)
        return found

    def _sealed(self, text: str, session: str, fingerprint: str) -> str:
        raw = text.encode("utf-8", "backslashreplace")
        part = raw[: self.max_bytes].decode("utf-8", "ignore").encode()
        inside = _LENGTHS.pack(len(raw), len(part)) + part
        inside += bytes(-len(inside) % _BLOCK)
        closed = _SUITE.encrypt(inside, self.key, _info(session, fingerprint))
        return base64.b64encode(VERSION + key_id(self.key) + closed).decode("ascii")


def _weight(text: str, sealed: str) -> int:
    return len(text) + len(sealed) + 500


def _info(session: str, fingerprint: str) -> bytes:
    return "\n".join((_PURPOSE, session, fingerprint)).encode()


def key_id(key: X25519PublicKey) -> bytes:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[:KEY_ID_BYTES]


def open_text(sealed: str, key: X25519PrivateKey, session: str, fingerprint: str) -> OriginalText:
    """The text that a record of this session and fingerprint holds.

    Raises:
        CannotOpen: it was sealed for another key, belongs to another record, or was changed.
    """
    try:
        raw = base64.b64decode(sealed, validate=True)
    except binascii.Error:
        raise CannotOpen("what is sealed there is damaged") from None
    if raw[:1] != VERSION:
        raise CannotOpen("it was sealed by a version of dbguard that this one does not know")
    if raw[1 : 1 + KEY_ID_BYTES] != key_id(key.public_key()):
        raise CannotOpen("it was sealed for another key")
    try:
        inside = _SUITE.decrypt(raw[1 + KEY_ID_BYTES :], key, _info(session, fingerprint))
        whole, length = _LENGTHS.unpack_from(inside)
        text = inside[_LENGTHS.size : _LENGTHS.size + length].decode("utf-8")
    except (InvalidTag, ValueError):
        raise CannotOpen("it was changed, or belongs to another record") from None
    return OriginalText(text, whole)


# -- keys ---------------------------------------------------------------------


def make_keys(path: Path) -> Path:
    """Make an auditor's pair: the private key at `path`, the public one beside it, whose path is
    returned.

    Raises:
        ConfigurationError: there is something already, or it cannot be written.
    """
    private = X25519PrivateKey.generate()
    beside = public_path(path)
    if beside == path:
        raise ConfigurationError(f"{path}: the public key goes by this name; choose another one")
    try:
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        place(path, secret, replace=False)
        place(beside, public, replace=False)
    except FileExistsError:
        raise ConfigurationError(
            f"{path}: there is a key already", hint="What it has sealed, only it opens."
        ) from None
    except OSError as error:
        raise _unusable(path, f"cannot be written: {_reason(error)}") from None
    return beside


def load_public(path: Path) -> X25519PublicKey:
    """Raises ConfigurationError."""
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(path, "is not a public key in PEM form") from None
    if not isinstance(key, X25519PublicKey):
        raise _unusable(path, "is not an X25519 key")
    return key


def load_private(path: Path) -> X25519PrivateKey:
    """Raises ConfigurationError."""
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(path, "is not a private key in PEM form without a password") from None
    if not isinstance(key, X25519PrivateKey):
        raise _unusable(path, "is not an X25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_FILE_BYTES)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or "input/output error").lower()


def _unusable(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the auditor's key {what}",
        hint="`dbguard audit key auditor FILE` makes a pair.",
    )
