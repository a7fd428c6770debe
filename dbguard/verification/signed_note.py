"""Signed notes (c2sp.org/signed-note) and the keys that sign them.

A note is text, an empty line, and signature lines: `— <name> <base64(key id, signature)>`.
Signatures are Ed25519, over the text with its last line feed. A public key stands as `<name>+<key
id>+<base64(1, key)>`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from .findings import UnusableInput

_ED25519 = b"\1"
_ROTATION = b"dbguard key rotation\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    name: str
    raw: bytes
    """32 bytes."""

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def verifies(self, signature: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    bytes: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    text: str
    """Ends with a line feed."""
    signatures: tuple[Signature, ...]
    whole: str
    """As it was read."""

    def signer(self, keys: list[PublicKey]) -> PublicKey | None:
        """The first of the keys that signed the note."""
        data = self.text.encode()
        for signature in self.signatures:
            for key in keys:
                if (key.name, key.id) == (signature.name, signature.key_id) and key.verifies(
                    signature.bytes, data
                ):
                    return key
        return None

    @property
    def names(self) -> str:
        return ", ".join(signature.name for signature in self.signatures) or "nobody"


def read_note(note: str) -> SignedNote:
    """Raises ValueError."""
    text, found, lines = note.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        raise ValueError("not a signed note")
    signatures = []
    for line in lines.removesuffix("\n").split("\n"):
        dash, name, encoded = line.split(" ")
        data = decode_base64(encoded)
        if dash != "\u2014" or not name or len(data) < 5:
            raise ValueError("not a signature line")
        signatures.append(Signature(name, data[:4], data[4:]))
    return SignedNote(text + "\n", tuple(signatures), note)


def decode_base64(text: str) -> bytes:
    """Raises ValueError, also for what decodes to the same bytes as the usual form of them."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not base64")
    return data


def read_vkey(text: str) -> PublicKey:
    """A public key from its line. Raises ValueError."""
    name, key_id, encoded = text.split("+", 2)
    data = decode_base64(encoded)
    key = PublicKey(name, data[1:])
    if not name or data[:1] != _ED25519 or len(data) != 33 or key.id.hex() != key_id:
        raise ValueError("not a public key line")
    return key


def read_keys(data: bytes, source: str) -> list[PublicKey]:
    """The keys of a file: lines, or PEM. Raises UnusableInput."""
    try:
        if b"-----BEGIN" in data:
            loaded = load_pem_public_key(data)
            if not isinstance(loaded, Ed25519PublicKey):
                raise ValueError("not an Ed25519 key")
            raw = loaded.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return [PublicKey(f"dbguard-{sha256(raw).hexdigest()[:8]}", raw)]
        lines = [line.strip() for line in data.decode().splitlines()]
        keys = [read_vkey(line) for line in lines if line and not line.startswith("#")]
    except (ValueError, binascii.Error) as error:
        raise UnusableInput(
            f"{source}: not a public key of dbguard's, nor an Ed25519 key in PEM"
        ) from error
    if not keys:
        raise UnusableInput(f"{source}: there is no public key in it")
    return keys


def rotation_text(new: str) -> bytes:
    """What the old key signs when another one takes its place."""
    return _ROTATION + new.encode() + b"\n"
