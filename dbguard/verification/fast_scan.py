"""One segment in which everything is in order, read as fast as it can be.

What a line must begin with is known from the line before, so it is compared, not parsed; the
members are checked for being JSON in bulk, those of a plan (from `"action"` on, alike in many
decisions) once. Anything unusual ends the scan: `careful_walk` then says what it is. Pure function
of the file, so that segments can be read in processes of their own.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from .json_pieces import MemberPieces
from .record_lines import MARKING, TIME, TRAILER, Mark, read_line
from .segment_files import chunks
from .tree import Node, Range
from .zstandard import DamagedFrame

_KNOWN_BYTES: Final = 1 << 24
"""How much of plans' members may be remembered."""
_MARKING = tuple(b'"kind":"%b"' % kind.encode() for kind in sorted(MARKING))
_ORDINARY = (b'"kind":"outcome"', b'"kind":"decision"')
_CLOCK = b'"kind":"clock"'
_PLAN = b',"action":'
_BEGIN = b'{"v":1,"seq":%d,"time":"%b","prev":"%b","kind":"'
_TIME_AT = len(b'{"v":1,"seq":0,"time":"')
"""Where the time of a record with one digit begins."""
_MEMBERS_BEHIND = 27 + len(b'","prev":"",') + 64
"""From there to where the members of its kind do."""
_ONCE = (b'"v":', b'"seq":', b'"time":', b'"prev":', b'"hash":')


@dataclass(frozen=True, slots=True)
class Task:
    directory: Path
    number: int
    start: int
    """Position in the tree of the segment's first record, as expected; -1: no tree is wanted."""
    sizes: tuple[int, ...] = ()
    """Ascending: sizes of the tree at which its state is wanted."""
    sequences: tuple[int, ...] = ()
    """Records whose hash is wanted."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a chain had come."""

    sequence: int
    hash: bytes
    nodes: tuple[Node, ...]
    """Of the range of leaves from the segment's beginning."""


@dataclass(slots=True)
class CleanSegment:
    """A segment whose records continue each other; filled while it is read."""

    number: int
    start: int
    records: int = 0
    first_sequence: int = 0
    first_prev: bytes = b""
    first_time: bytes = b""
    first_mark: Mark | None = None
    last_sequence: int = 0
    last_hash: bytes = b""
    last_time: bytes = b""
    torn: int = 0
    """Bytes of an unfinished line at the end."""
    nodes: tuple[Node, ...] = ()
    states: dict[int, State] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


def scan(task: Task) -> CleanSegment | None:
    """What stands in the segment; None when anything in it is not in order. Raises OSError."""
    return _Scan(task).run()


class _Scan:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.found = CleanSegment(task.number, task.start)
        self.tree = Range(max(0, task.start))
        self.sizes = [size for size in task.sizes if size > task.start >= 0]
        self.pieces = MemberPieces()
        self.plans: set[bytes] = set()
        self.plan_bytes = 0
        self.second = b""
        """Up to which second the time was found well-formed."""

    def run(self) -> CleanSegment | None:
        found = self.found
        for chunk in chunks(self.task.directory, self.task.number):
            if isinstance(chunk, DamagedFrame) or found.torn:
                return None
            lines = chunk.split(b"\n")
            found.torn = len(lines.pop())
            if lines and not self._take(lines):
                return None
        if not found.records:
            return None
        found.nodes = tuple(self.tree.nodes)
        return found

    def _take(self, lines: list[bytes]) -> bool:
        found = self.found
        if not found.records and not self._begin(lines[0]):
            return False
        digests: list[bytes] = []
        pieces: list[bytes] = []
        before = found.last_sequence
        if not self._chain(lines, digests, pieces):
            return False
        joined = self.pieces.joined(pieces)
        if any(member in joined for member in _ONCE) and not _all_single(lines):
            return False
        if not self.pieces.whole(joined, len(pieces)):
            return False
        found.records += len(lines)
        self._remember(before, digests)
        return True

    def _begin(self, raw: bytes) -> bool:
        """Take what comes before the first line for granted: the caller compares it."""
        line = read_line(raw)
        if line is None:
            return False
        found = self.found
        found.first_sequence, found.first_prev = line.sequence, line.prev
        found.first_time, found.first_mark = line.time, line.mark
        found.last_sequence, found.last_hash = line.sequence - 1, line.prev
        return True

    def _chain(self, lines: Sequence[bytes], digests: list[bytes], pieces: list[bytes]) -> bool:
        """Whether the lines continue each other; collects their hashes, as bytes, and members."""
        found = self.found
        sequence, prev, time = found.last_sequence, found.last_hash, found.last_time
        second = self.second
        digest_of, in_hex = sha256, binascii.hexlify
        digits = len(str(sequence))
        at, limit = _TIME_AT + digits - 1, 10**digits - 1
        for line in lines:
            sequence += 1
            if sequence > limit:
                at, limit = at + 1, limit * 10 + 9
            now = line[at : at + 27]
            digest = digest_of(line[:-TRAILER]).digest()
            own = in_hex(digest)
            if line[-TRAILER:] != b',"hash":"' + own + b'"}':
                return False
            if not line.startswith(_BEGIN % (sequence, now, prev)):
                return False
            if now[:20] != second or not now[20:26].isdigit() or now[26:] != b"Z":
                if not TIME.fullmatch(now):
                    return False
                second = now[:20]
            begin = at + _MEMBERS_BEHIND
            ordinary = line.startswith(_ORDINARY, begin)
            if not ordinary and line.startswith(_MARKING, begin) and not self._mark(line):
                return False
            if now < time and not line.startswith(_CLOCK, begin):
                return False
            time, prev = now, own
            digests.append(digest)
            split = line.find(_PLAN, begin)
            if split < 0:
                pieces.append(line[begin:-TRAILER])
                continue
            plan = line[split + 1 : -TRAILER]
            if plan not in self.plans:
                pieces.append(plan)
                self._learn(plan)
            pieces.append(line[begin:split])
        found.last_sequence, found.last_hash, found.last_time = sequence, prev, time
        self.second = second
        return True

    def _learn(self, plan: bytes) -> None:
        """A plan's members count as checked: they are among the pieces, or the scan ends."""
        self.plan_bytes += len(plan)
        if self.plan_bytes > _KNOWN_BYTES:
            self.plans.clear()
            self.plan_bytes = len(plan)
        self.plans.add(plan)

    def _mark(self, raw: bytes) -> bool:
        line = read_line(raw)
        if line is None or line.mark is None:
            return False
        self.found.marks.append(line.mark)
        return True

    def _remember(self, before: int, data: list[bytes]) -> None:
        """Take the leaves into the tree, and keep what was asked for."""
        found = self.found
        for wanted in self.task.sequences:
            if before < wanted <= found.last_sequence:
                found.hashes[wanted] = binascii.hexlify(data[wanted - before - 1])
        if self.task.start < 0:
            return
        begin, base = 0, self.tree.size
        while self.sizes and self.sizes[0] <= base + len(data):
            size = self.sizes.pop(0)
            end = size - base
            self.tree.extend(data[begin:end])
            begin = end
            digest = binascii.hexlify(data[end - 1])
            found.states[size] = State(before + end, digest, tuple(self.tree.nodes))
        self.tree.extend(data[begin:])


def _all_single(lines: Sequence[bytes]) -> bool:
    """Whether no line has a member twice, where the text lets it seem possible."""
    doubtful = (line for line in lines if any(line.count(member) > 1 for member in _ONCE))
    return all(read_line(line) is not None for line in doubtful)
