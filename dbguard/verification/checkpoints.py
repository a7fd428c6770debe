"""Checkpoints: what was signed about a chain, in its own `checkpoints.jsonl` or in copies of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from .findings import UnusableInput
from .regular_file import open_regular
from .signed_note import SignedNote, decode_base64, read_note, split_notes
from .tree import Range, fold

FILE_NAME: Final = "checkpoints.jsonl"
PRUNED_NAME: Final = "pruned.json"

_LINE_LIMIT: Final = 1 << 16
"""Bytes. A checkpoint has some hundred, and a digest for each power of two in its size."""
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


@dataclass(frozen=True, slots=True)
class Placed:
    """A checkpoint, or a line that is none, and where it stands."""

    checkpoint: Checkpoint | None
    file: str
    line: int


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


def own_checkpoints(path: Path, file: str) -> tuple[list[Placed], int]:
    """The lines of the chain's own file, and the bytes of an unfinished one at its end.

    Raises OSError.
    """
    found: list[Placed] = []
    try:
        with open_regular(path) as lines:
            for number, raw in enumerate(iter(lambda: lines.readline(_LINE_LIMIT), b""), 1):
                if len(raw) == _LINE_LIMIT:
                    found.append(Placed(None, file, number))
                    return found, 0
                if not raw.endswith(b"\n") or (b"\0" in raw and not lines.peek(1)):
                    return found, len(raw)  # of a crash, or of a power loss that took pages of it
                found.append(Placed(_or_none(raw), file, number))
    except FileNotFoundError:
        pass
    return found, 0


def _or_none(raw: bytes) -> Checkpoint | None:
    try:
        return read_stored(raw)
    except ValueError:
        return None


def copies(path: Path) -> list[Placed]:
    """Checkpoints from a second place: lines as in `checkpoints.jsonl`, or bare notes.

    Raises UnusableInput when there is none in the file, OSError.
    """
    data = path.read_bytes()
    try:
        found = list(_copies(data, str(path.absolute())))
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{path}: there are no checkpoints in it") from error
    if not any(placed.checkpoint for placed in found):
        raise UnusableInput(f"{path}: there are no checkpoints in it")
    return found


def _copies(data: bytes, file: str) -> Iterator[Placed]:
    if data.lstrip().startswith(b"{"):
        for number, raw in enumerate(data.splitlines(), 1):
            if raw.strip():
                yield Placed(_or_none(raw), file, number)
        return
    for number, note in enumerate(split_notes(data.decode()), 1):
        try:
            yield Placed(read_checkpoint(note), file, number)
        except ValueError:
            yield Placed(None, file, number)
