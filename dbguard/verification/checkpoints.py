"""Checkpoints: what was signed about a chain. `sources` has the files that they stand in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import orjson

from .signed_note import SignedNote, decode_base64, read_note
from .tree import Range, fold

FILE_NAME: Final = "checkpoints.jsonl"
PRUNED_NAME: Final = "pruned.json"

_ORIGIN = re.compile(r"dbguard\.audit/[0-9a-f]{16}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    """How many records it covers, those removed since among them."""
    root: bytes
    sequence: int
    hash: bytes
    """Of the last record covered, in hexadecimal."""
    time: str
    pruned: bool
    """It stands for records that were removed."""
    note: SignedNote
    segment: int
    """Where the last record covered stood; 0 when the copy does not tell."""
    peaks: tuple[bytes, ...]


def read_checkpoint(note: str, segment: int = 0, peaks: tuple[bytes, ...] = ()) -> Checkpoint:
    """Raises ValueError."""
    signed = read_note(note)
    lines = signed.text.removesuffix("\n").split("\n")
    pruned = lines[6:] == ["pruned"]
    if len(lines) != 6 + pruned:
        raise ValueError("not a checkpoint")
    origin, size, root = lines[:3]
    sequence, digest, time = (
        _named(line, name) for line, name in zip(lines[3:], ("seq", "hash", "time"), strict=False)
    )
    if not (
        _ORIGIN.fullmatch(origin)
        and _DECIMAL.fullmatch(size)
        and _DECIMAL.fullmatch(sequence)
        and _HEX.fullmatch(digest)
    ):
        raise ValueError("not a checkpoint")
    decoded = decode_base64(root)
    if len(decoded) != 32:
        raise ValueError("not a checkpoint")
    return Checkpoint(
        origin,
        int(size),
        decoded,
        int(sequence),
        digest.encode(),
        time,
        pruned,
        signed,
        segment,
        peaks,
    )


def _named(line: str, name: str) -> str:
    if not line.startswith(name + " "):
        raise ValueError("not a checkpoint")
    return line[len(name) + 1 :]


def read_stored(raw: bytes) -> Checkpoint:
    """A line of `checkpoints.jsonl`, or `pruned.json`. Raises ValueError."""
    members = orjson.loads(raw)
    if not isinstance(members, dict) or members.get("v") != 1:
        raise ValueError("not a checkpoint")
    note, segment, peaks = members.get("note"), members.get("segment"), members.get("peaks")
    if not isinstance(note, str) or type(segment) is not int or not isinstance(peaks, list):
        raise ValueError("not a checkpoint")
    if orjson.dumps({"v": 1, "segment": segment, "note": note, "peaks": peaks}) != raw.rstrip(
        b"\n"
    ):
        raise ValueError("not written as dbguard does")
    digests = tuple(_digest(peak) for peak in peaks)
    checkpoint = read_checkpoint(note, segment, digests)
    Range.of_peaks(checkpoint.size, digests)  # as many as the size has
    if fold(digests) != checkpoint.root:
        raise ValueError("the peaks are not those of the tree")
    return checkpoint


def _digest(text: object) -> bytes:
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise ValueError("not a digest")
    return bytes.fromhex(text)
