"""Files of checkpoints, gone through as often as needed and never kept: there may be millions.

A source is the chain's own `checkpoints.jsonl`, or copies of it from a second place, which are
lines of the same form or bare notes. What was added since it was opened is not looked at.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from .checkpoints import Checkpoint, read_checkpoint, read_stored
from .findings import UnusableInput
from .regular_file import open_regular

_LINE_LIMIT: Final = 1 << 16
"""Bytes. A checkpoint has some hundred, and a digest for each power of two in its size."""
_STORED: Final = re.compile(
    rb'\{"v":1,"segment":-?[0-9]+,"note":"'
    rb'(dbguard\.audit/[0-9a-f]{16})\\n([0-9]{1,19})\\n[^\\"]*\\nseq ([0-9]{1,19})\\n'
)
"""How every line begins that `read_stored` takes."""
_NOTE: Final = re.compile(
    rb"(dbguard\.audit/[0-9a-f]{16})\n([0-9]{1,19})\n[^\n]*\nseq ([0-9]{1,19})\n"
)
_SIGNATURE: Final = "\u2014 ".encode()


class Entry(NamedTuple):
    """What stands at one place of a source: a checkpoint, or not."""

    number: int
    """0-based, among the entries."""
    line: int
    """As findings have it: 1-based; of bare notes, which of them."""
    offset: int
    """Where it begins, in bytes."""
    raw: bytes
    """Empty for a line that does not end."""


class Outline(NamedTuple):
    """What a checkpoint claims to be of."""

    origin: str
    size: int
    sequence: int


class Source:
    def __init__(self, file: BinaryIO | Path | bytes, name: str, *, own: bool) -> None:
        """`file`: open, or where it is, or its content; `name`: as findings call it; `own`: it is
        the chain's own. Raises OSError."""
        self._file = file
        self.name = name
        self.own = own
        self.count = 0
        """Entries."""
        self.torn = 0
        """Bytes of an unfinished line at the end of the chain's own, which a crash leaves."""
        with self._open() as opened:
            self._notes = not own and not opened.read(1 << 12).lstrip().startswith(b"{")
            self._end = opened.seek(0, os.SEEK_END)
        end = 0
        for entry in self.entries():
            self.count, end = entry.number + 1, entry.offset + len(entry.raw)
            if not entry.raw:
                return
        if own:
            self.torn, self._end = self._end - end, end

    def close(self) -> None:
        if not isinstance(self._file, Path | bytes):
            self._file.close()

    def entries(self, begin: Entry | None = None) -> Iterator[Entry]:
        """All of them, or those from `begin` on; one pass at a time. Raises OSError."""
        start = begin or Entry(0, 1, 0, b"")
        return self._of_notes(start) if self._notes else self._of_lines(start)

    def outline(self, entry: Entry) -> Outline | None:
        """Told at a glance; None for what is no checkpoint."""
        match = (_NOTE if self._notes else _STORED).match(entry.raw)
        return Outline(match[1].decode(), int(match[2]), int(match[3])) if match else None

    def checkpoint(self, entry: Entry) -> Checkpoint | None:
        try:
            return read_checkpoint(entry.raw.decode()) if self._notes else read_stored(entry.raw)
        except ValueError:
            return None

    def _of_lines(self, begin: Entry) -> Iterator[Entry]:
        number, line, offset, _ = begin
        end = self._end
        with self._open() as file:
            file.seek(offset)
            while offset < end:
                raw = file.readline(_LINE_LIMIT)
                if len(raw) == _LINE_LIMIT:
                    yield Entry(number, line, offset, b"")
                    return
                last = offset + len(raw) >= end
                if self.own and last and (not raw.endswith(b"\n") or b"\0" in raw):
                    return  # of a crash, or of a power loss that took pages of it
                if self.own or raw.strip():
                    yield Entry(number, line, offset, raw)
                    number += 1
                line += 1
                offset += len(raw)

    def _of_notes(self, begin: Entry) -> Iterator[Entry]:
        """Notes that stand one behind the other; the last part may be no whole note."""
        number, line, start, _ = begin
        offset = start
        lines: list[bytes] = []
        signed = False
        with self._open() as file:
            file.seek(offset)
            while offset < self._end and (raw := file.readline(_LINE_LIMIT)):
                is_signature = raw.startswith(_SIGNATURE)
                if signed and not is_signature:
                    yield Entry(number, line, start, b"".join(lines))
                    number, line, lines, signed = number + 1, line + 1, [], False
                if lines or raw.strip():
                    start = start if lines else offset
                    lines.append(raw)
                    signed = is_signature
                offset += len(raw)
        if lines:
            yield Entry(number, line, start, b"".join(lines))

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if isinstance(self._file, bytes):
            yield io.BytesIO(self._file)
        elif isinstance(self._file, Path):
            with open_regular(self._file) as file:
                yield file
        else:
            yield self._file


def own_source(path: Path, name: str) -> Source:
    """The chain's own file, which may not be there yet. It stays the same when another takes its
    place. Raises OSError."""
    try:
        return Source(open_regular(path), name, own=True)
    except FileNotFoundError:
        return Source(b"", name, own=True)


def copies(path: Path) -> Source:
    """Copies from a second place: a file, or a pipe. Raises UnusableInput when there is no
    checkpoint in it, OSError."""
    source = Source(path if path.is_file() else path.read_bytes(), str(path.absolute()), own=False)
    if all(source.checkpoint(entry) is None for entry in source.entries()):
        raise UnusableInput(f"{path}: there are no checkpoints in it")
    return source
