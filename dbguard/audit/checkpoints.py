"""The file of a chain's checkpoints: one line each, written at the end only.

    {"v":1,"segment":N,"note":"…","peaks":["hex",…]}

`note` is what was signed, `segment` the one that holds the last record covered, `peaks` what the
writer goes on from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, Signer, UnusableNote, VerifyingKey, open_note
from dbguard.audit.storage import AuditFile, Storage, write_fully
from dbguard.verification.regular_file import open_regular

CHECKPOINTS_NAME = "checkpoints.jsonl"
PRUNED_NAME = "pruned.json"
LINE_LIMIT = 1 << 16
"""Bytes; no checkpoint has so many."""
_CHUNK = 64 * 1024


class UnusableCheckpoint(ValueError):
    """A line that is no checkpoint, or none that a known key has signed."""


@dataclass(frozen=True, slots=True)
class CheckpointLine:
    segment: int
    note: str
    peaks: tuple[bytes, ...]

    def render(self) -> bytes:
        members = {
            "v": 1,
            "segment": self.segment,
            "note": self.note,
            "peaks": [peak.hex() for peak in self.peaks],
        }
        return orjson.dumps(members) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> CheckpointLine:
        """Raises UnusableCheckpoint."""
        try:
            members = orjson.loads(line)
            if members["v"] != 1 or type(members["segment"]) is not int:
                raise UnusableCheckpoint("not a checkpoint line of version 1")
            peaks = tuple(bytes.fromhex(peak) for peak in members["peaks"])
            return cls(members["segment"], str(members["note"]), peaks)
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableCheckpoint("not a checkpoint line") from error


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint line that holds together."""

    checkpoint: Checkpoint
    segment: int
    key: VerifyingKey | None
    """Who signed it; None when nobody was asked for."""
    peaks: tuple[bytes, ...]

    def tree(self) -> MerkleTree:
        return MerkleTree(self.checkpoint.size, self.peaks)


def make_line(signer: Signer, checkpoint: Checkpoint, segment: int, tree: MerkleTree) -> bytes:
    return CheckpointLine(segment, signer.note(checkpoint.text()), tree.peaks).render()


def read_line(line: bytes, known: Mapping[str, VerifyingKey] | None) -> SignedCheckpoint:
    """The checkpoint of a line, signed by one of `known`, or unchecked without.

    Raises UnusableCheckpoint.
    """
    parsed = CheckpointLine.parse(line)
    key = None
    try:
        if known is None:
            text = parsed.note.partition("\n\n")[0] + "\n"
        else:
            text, key = open_note(parsed.note, known)
        checkpoint = Checkpoint.parse(text)
    except UnusableNote as error:
        raise UnusableCheckpoint(str(error)) from error
    signed = SignedCheckpoint(checkpoint, parsed.segment, key, parsed.peaks)
    try:
        root = signed.tree().root
    except ValueError as error:
        raise UnusableCheckpoint(str(error)) from error
    if root != checkpoint.root:
        raise UnusableCheckpoint("the peaks are not those of the tree that was signed")
    return signed


@dataclass(frozen=True, slots=True)
class LastLine:
    """The end of the file."""

    line: bytes
    """The last complete line; empty when there is none."""
    size: int
    """Bytes up to its end."""
    torn: int
    """Bytes of an unfinished line behind it."""


def last_line(path: Path) -> LastLine | None:
    """None when there is no such file. Raises OSError."""
    try:
        file = open_regular(path, follow=False)
    except FileNotFoundError:
        return None
    with file:
        length = file.seek(0, 2)
        data = b""
        start = length
        while start and data.count(b"\n", 0, -1) < 2:
            start = max(0, start - _CHUNK)
            file.seek(start)
            data = file.read(length - start)
    complete = data[: data.rfind(b"\n") + 1]
    line = complete[complete.rfind(b"\n", 0, -1) + 1 :]
    if b"\0" in line:  # pages of it were lost with the power
        complete = complete[: -len(line)]
        line = complete[complete.rfind(b"\n", 0, -1) + 1 :]
    torn = len(data) - len(complete)
    return LastLine(line, length - torn, torn)


class CheckpointFile:
    """Open for appending. Every method does all of its work or raises OSError."""

    __slots__ = ("_clean", "_file", "_size")

    def __init__(self, storage: Storage, directory: Path, size: int) -> None:
        """`size`: bytes of complete lines; what stands behind them is cut."""
        self._file: AuditFile = storage.open(directory / CHECKPOINTS_NAME)
        self._size = size
        self._clean = False

    def append(self, line: bytes) -> None:
        """Synced when this returns."""
        self.cut()
        self._clean = False
        try:
            write_fully(self._file, line, self._size)
            self._file.fdatasync()
        except OSError:
            with contextlib.suppress(OSError):
                self.cut()  # else before the next one
            raise
        self._size += len(line)
        self._clean = True

    def cut(self) -> None:
        """Cut off what an interrupted write left."""
        if not self._clean:
            self._file.truncate(self._size)
            self._clean = True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
