"""Signed notes, the way transparency logs say and sign how far they have come.

A note is a text, an empty line, and one line for each signature (https://c2sp.org/signed-note);
a *checkpoint* is a note whose text names a tree, its size and its root
(https://c2sp.org/tlog-checkpoint). Ours has three further lines: the last record covered, its
hash, and when it was signed. Ed25519 (RFC 8032) only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ORIGIN_PREFIX = "dbguard.audit/"
_ORIGIN_DIGITS = 16
_ED25519 = b"\x01"
"""The signature type of signed-note."""
_ID_SIZE = 4
_SIGNATURE_SIZE = 64
_DASH = "\N{EM DASH} "
_VKEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_TEXT = re.compile(
    r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n"
    r"seq (0|[1-9][0-9]{0,18})\nhash ([0-9a-f]{64})\ntime ([0-9TZ:.-]{27})\n(pruned\n)?"
)


class UnusableNote(ValueError):
    """Not a signed note, not by a known key, or not a checkpoint."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key under its name."""

    name: str
    raw: bytes
    """32 bytes (RFC 8032)."""

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_ID_SIZE]

    @property
    def text(self) -> str:
        """The vkey form of signed-note: all that somebody needs to check signatures."""
        key = base64.b64encode(_ED25519 + self.raw).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> VerifyingKey:
        """The key of a vkey. Raises UnusableNote."""
        match = _VKEY.fullmatch(text)
        if match is None:
            raise UnusableNote("not a public key of signed notes")
        data = _decode(match[3])
        key = cls(match[1], data[1:])
        if data[:1] != _ED25519 or len(key.raw) != 32 or key.id.hex() != match[2]:
            raise UnusableNote("not an Ed25519 key of signed notes")
        return key

    def accepts(self, data: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key, named after its public key."""

    __slots__ = ("_private", "key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes_raw()
        self.key = VerifyingKey(f"dbguard-{sha256(raw).hexdigest()[:8]}", raw)

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)

    def note(self, text: str) -> str:
        """`text`, which ends with a line feed, with its signature."""
        signed = base64.b64encode(self.key.id + self.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.key.name} {signed}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a chain had come, and the root of its tree then."""

    origin: str
    """Which chain."""
    size: int
    """Records since the chain began."""
    root: bytes
    sequence: int
    """The last record covered."""
    hash: bytes
    """Its hash, in hexadecimal as in the record."""
    time: str
    pruned: bool = False
    """All records covered were removed, because their time was over."""

    def text(self) -> str:
        root = base64.b64encode(self.root).decode()
        return (
            f"{self.origin}\n{self.size}\n{root}\n"
            f"seq {self.sequence}\nhash {self.hash.decode()}\ntime {self.time}\n"
            + ("pruned\n" if self.pruned else "")
        )

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Raises UnusableNote."""
        match = _TEXT.fullmatch(text)
        if match is None or not match[1].startswith(ORIGIN_PREFIX):
            raise UnusableNote("not a checkpoint of an audit trail")
        return cls(
            origin=match[1],
            size=int(match[2]),
            root=_decode(match[3]),
            sequence=int(match[4]),
            hash=match[5].encode(),
            time=match[6],
            pruned=match[7] is not None,
        )


def origin(first_hash: bytes) -> str:
    """The name of the chain whose first record has this hash (hexadecimal)."""
    return ORIGIN_PREFIX + first_hash[:_ORIGIN_DIGITS].decode()


def open_note(note: str, known: Mapping[str, VerifyingKey]) -> tuple[str, VerifyingKey]:
    """The text of a note and the key that signed it, one of `known` (by name).

    Signatures of others are passed over. Raises UnusableNote when none of them is good.
    """
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise UnusableNote("not a signed note")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not encoded:
            raise UnusableNote("not a signed note")
        key = known.get(name)
        data = _decode(encoded)
        if key is None or len(data) != _ID_SIZE + _SIGNATURE_SIZE or data[:_ID_SIZE] != key.id:
            continue
        if key.accepts(text.encode(), data[_ID_SIZE:]):
            return text, key
        raise UnusableNote(f"the signature of {name} is not good")
    raise UnusableNote("not signed by a known key")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UnusableNote("not base64") from error
