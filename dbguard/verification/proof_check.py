"""A proof checked with nothing but the proof and a public key.

Follows RFC 9162, 2.1.3.2, and shares no code with what makes proofs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from .checkpoints import Checkpoint, read_checkpoint
from .record_lines import read_line
from .signed_note import PublicKey

FORMAT: Final = "dbguard.audit/proof/1"


class InvalidProof(Exception):
    """It does not prove what it says."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What follows from the proof and the key."""

    writer: str
    """As the proof says; it is not signed."""
    sequence: int
    time: str
    """The record's."""
    line: str
    origin: str
    """Which chain."""
    signed_at: str
    signed_by: str


def check(data: bytes, keys: Sequence[PublicKey]) -> Proven:
    """Raises InvalidProof."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InvalidProof("the file is not a proof that dbguard made")
        text = str(document["record"])
        leaf, size = int(document["leaf"]), int(document["size"])
        path = [bytes.fromhex(one) for one in document["path"]]
        checkpoint = read_checkpoint(str(document["checkpoint"]))
        writer = str(document.get("writer", ""))
        raw = text.encode()
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidProof("the file is not a proof that dbguard made") from error
    line = read_line(raw)
    if line is None or not line.intact or b"\n" in raw:
        raise InvalidProof("the record was changed: it does not match its hash")
    key = checkpoint.note.signer(list(keys))
    if key is None:
        raise InvalidProof(
            f"the checkpoint is not signed by a key that was given, but by {checkpoint.note.names}"
        )
    _check_place(checkpoint, leaf, size, line.sequence)
    root = root_of(bytes.fromhex(line.hash.decode()), leaf, size, path)
    if root != checkpoint.root:
        raise InvalidProof("the record is not among those that the checkpoint signed")
    return Proven(
        writer,
        line.sequence,
        line.time.decode("ascii", "replace"),
        text,
        checkpoint.origin,
        checkpoint.time,
        key.name,
    )


def _check_place(checkpoint: Checkpoint, leaf: int, size: int, sequence: int) -> None:
    if size != checkpoint.size or not 0 <= leaf < size:
        raise InvalidProof("the place of the record does not fit the checkpoint")
    if not leaf < sequence <= checkpoint.sequence:
        raise InvalidProof("the number of the record does not fit the checkpoint")


def root_of(data: bytes, leaf: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the path leads to. Raises InvalidProof when it has not the right length."""
    index, last = leaf, size - 1
    digest = sha256(b"\0" + data).digest()
    for sibling in path:
        if last == 0:
            raise InvalidProof("the path is too long")
        if index & 1 or index == last:
            digest = sha256(b"\1" + sibling + digest).digest()
            while index and not index & 1:
                index >>= 1
                last >>= 1
        else:
            digest = sha256(b"\1" + digest + sibling).digest()
        index >>= 1
        last >>= 1
    if last:
        raise InvalidProof("the path is too short")
    return digest
