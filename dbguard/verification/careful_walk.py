"""A chain from its beginning to its end, and what is wrong with it at which record.

Segments that were found in order by themselves are taken as a whole when they continue what came
before; all others are gone through line by line here.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .fast_scan import CleanSegment, State
from .findings import Finding
from .record_lines import FIRST_PREV, TIME, Line, Mark, missing, own_hash, read_line
from .segment_files import chunks
from .tree import Node, Range, leaf_digest
from .zstandard import DamagedFrame

FINDINGS_KEPT: Final = 1000
"""Of a segment; more say nothing new, and there may be millions."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the records begin: behind those that were removed when their time was over."""

    sequence: int = 0
    hash: bytes = FIRST_PREV
    size: int = 0
    peaks: tuple[bytes, ...] = ()
    segment: int = 0
    """The last one removed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the walk is to keep for those who compare it with what was signed."""

    sequences: frozenset[int] = frozenset()
    end: int = 0
    """The last record that the head file or a checkpoint knows of."""


class Walk:
    def __init__(self, writer: str, base: Base, wanted: Wanted, *, prefix: str) -> None:
        self.writer = writer
        self.wanted = wanted
        self.prefix = prefix
        """The chain's folder as findings name it, with a slash, or empty."""
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.records = 0
        self.first_time = b""
        self.time = b""
        """Of the last record that could be read."""
        self.sequence = base.sequence
        self.hash: bytes | None = base.hash
        """What the next `prev` must be; None behind a line that says nothing about it."""
        self.tree = Range.of_peaks(base.size, base.peaks)
        self.origin = b""
        """Hash of the chain's first record; empty when that one was removed."""
        self.damaged_from = 0
        """The first record behind which the tree cannot be the one that was signed; 0 for none."""
        self.marks: list[Mark] = []
        self.sizes: frozenset[int] = frozenset()
        """Sizes of the tree at which its state is wanted, in the segment at hand."""
        self.states: dict[int, tuple[bytes, int, bytes]] = {}
        """Root, sequence number and hash of the last record, by the tree's size; of the segment at
        hand."""
        self.hashes: dict[int, bytes] = {}
        self.file = ""
        self.line = 0
        self._kept = 0

    # ---- findings

    def begin_file(self, name: str) -> None:
        self.file, self.line, self._kept = name, 0, 0

    def report(self, sequence: int, problem: str, *, structural: bool = True) -> None:
        if structural and not self.damaged_from:
            self.damaged_from = max(1, sequence)
        self._kept += 1
        if self._kept == FINDINGS_KEPT:
            problem = "and more that is not as it was written, in the rest of this file"
        if self._kept <= FINDINGS_KEPT:
            name = self.prefix + self.file
            self.findings.append(Finding(sequence, name, self.line, problem, self.writer))

    def note(self, text: str) -> None:
        self.notes.append(f"{self.prefix}{text}")

    # ---- a segment in order

    def continues(self, segment: CleanSegment) -> bool:
        """Whether the segment can be taken as it is."""
        expected = self.sequence + 1
        gap = segment.first_mark.gap if segment.first_mark else None
        starts_clock = segment.first_mark is not None and segment.first_mark.kind == "clock"
        return (
            segment.first_prev == self.hash
            and (
                segment.first_sequence == expected or gap == (expected, segment.first_sequence - 1)
            )
            and (segment.first_time >= self.time or starts_clock)
            and (segment.start in (-1, self.tree.size) or self.damaged_from > 0)
        )

    def take(self, segment: CleanSegment) -> None:
        if not self.origin and not self.tree.size and not self.sequence:
            self.origin = segment.hashes.get(segment.first_sequence, b"")
        self.records += segment.records
        self.first_time = self.first_time or segment.first_time
        self.time = segment.last_time
        self.sequence, self.hash = segment.last_sequence, segment.last_hash
        self.hashes.update(segment.hashes)
        self.marks += [mark._replace(file=self.prefix + self.file) for mark in segment.marks]
        if segment.start < 0 or self.damaged_from:
            return
        for size, state in segment.states.items():
            self._keep_state(size, state)
        for node in segment.nodes:
            self.tree.push(node)

    def _keep_state(self, size: int, state: State) -> None:
        tree = self.tree.copy()
        for node in state.nodes:
            tree.push(node)
        self.states[size] = (tree.root(), state.sequence, state.hash)

    # ---- line by line

    def read(self, directory: Path, number: int, *, is_last: bool) -> None:
        """Go through a segment in which something is not in order. Raises OSError."""
        for chunk in chunks(directory, number):
            if isinstance(chunk, DamagedFrame):
                self.report(self.sequence + 1, f"is not readable: {chunk}")
                self.hash = None
                continue
            lines = chunk.split(b"\n")
            rest = lines.pop()
            for index, raw in enumerate(lines):
                self.line += 1
                if is_last and b"\0" in raw and self.sequence >= self.wanted.end:
                    # Pages that a power loss took; nobody was told that these records were written.
                    self.note_torn(sum(map(len, lines[index:])) + len(rest))
                    return
                self._take_line(raw)
            if rest and is_last:
                self.line += 1
                self.note_torn(len(rest))
            elif rest:
                self.line += 1
                self.report(self.sequence + 1, "is cut off")

    def note_torn(self, size: int) -> None:
        self.note(
            f"{self.file}: {size} bytes of unfinished records at the end, as a crash leaves "
            "them; they are cut at the next start"
        )

    def _take_line(self, raw: bytes) -> None:
        expected = self.sequence + 1
        line = read_line(raw)
        if line is None or not line.intact:
            what = "was changed: it does not match its hash" if line else "is not readable"
            self.report(expected, what)
            self.sequence = expected
            self.hash = own_hash(raw)
            self._count(self.hash, expected)
            return
        self.records += 1
        if not self.origin and not self.tree.size and line.sequence == 1:
            self.origin = line.hash
        self._place(line, expected)
        self._check_time(line)
        if line.mark:
            self.marks.append(line.mark._replace(file=self.prefix + self.file))
        self.sequence = line.sequence
        self.hash = line.hash
        self._count(line.hash, line.sequence)

    def _place(self, line: Line, expected: int) -> None:
        gap = line.mark.gap if line.mark else None
        if line.sequence < expected:
            self.report(line.sequence, "is out of order or there twice")
        elif line.sequence > expected and gap != (expected, line.sequence - 1):
            self.report(expected, missing(expected, line.sequence - 1))
        elif self.hash is not None and line.prev != self.hash:
            self.report(line.sequence, "does not continue the record before it")

    def _check_time(self, line: Line) -> None:
        clock = line.mark is not None and line.mark.kind == "clock"
        if not TIME.fullmatch(line.time):
            self.report(line.sequence, "has a time that dbguard does not write", structural=False)
        elif line.time < self.time and not clock:
            self.report(
                line.sequence,
                f"is older than the record before it ({line.time.decode()}, "
                f"{self.time.decode()}): the clock was set back, and no CLOCK record says so",
                structural=False,
            )
        self.first_time = self.first_time or line.time
        self.time = line.time

    def _count(self, digest: bytes | None, sequence: int) -> None:
        if digest is None:
            return
        self.tree.push(_leaf(self.tree.size, digest))
        if self.tree.size in self.sizes:
            self.states[self.tree.size] = (self.tree.root(), sequence, digest)
        if sequence in self.wanted.sequences and sequence not in self.hashes:
            self.hashes[sequence] = digest


def _leaf(position: int, digest: bytes) -> Node:
    return Node(0, position, leaf_digest(binascii.unhexlify(digest)))
