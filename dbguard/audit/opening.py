"""Where a trail ends: what the writer must know before it may go on.

A partial last line is a torn write of a crash and is cut. Anything else that does not fit is
not repaired here: going on behind it would hide it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from dbguard.audit.blocks import blocks
from dbguard.audit.chain import (
    EMPTY,
    HEAD_NAME,
    BrokenLine,
    Head,
    Link,
    read_head,
    read_line,
    segment_name,
)
from dbguard.audit.checkpoints import PRUNED_NAME, CheckpointLine, UnusableCheckpoint
from dbguard.audit.trails import Segment, segments
from dbguard.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a trail."""

    segment: int
    """Number of the last segment; 0 when there is none yet."""
    size: int
    """Bytes of complete lines in the last segment."""
    torn: int
    """Bytes of an unfinished line behind them."""
    last: Head
    """Sequence number and hash of the last complete line."""
    behind: int
    """Records that the head file does not know yet: the last writer did not stop in order."""


@dataclass(frozen=True, slots=True)
class _Scan:
    first: Link | None
    last: Link | None
    size: int
    torn: int
    head: bytes | None
    """Hash of the record the head file names, when it is in this segment."""


def find_tail(directory: Path) -> Tail:
    """Read the end of the trail in `directory`.

    Checks every line from the one the head file names (at least the whole last segment).
    Raises ConfigurationError when the end is not what a writer left, OSError.
    """
    found = segments(directory)
    numbers = [segment.number for segment in found]
    head = _head(directory, bool(numbers))
    missing = set(range(_pruned(directory) + 1, max(numbers, default=0) + 1)) - set(numbers)
    if missing:
        raise _refusal(directory / segment_name(min(missing)), "the segment is missing")
    if found and found[-1].sealed:
        raise _refusal(found[-1].compressed, "the last segment is sealed, which never happens")
    end: Head | None = None
    size = torn = 0
    next_prev: bytes | None = None
    head_hash: bytes | None = head.hash if head.sequence == 0 else None
    for segment in reversed(found):
        path = segment.path
        scan = _scan(segment, head.sequence)
        if segment is found[-1]:
            size, torn = scan.size, scan.torn
        elif scan.torn:
            raise _refusal(path, "the segment ends in the middle of a line")
        if next_prev is not None and scan.last is not None and scan.last.hash != next_prev:
            raise _refusal(path, "the next segment does not continue this one")
        if scan.first is not None and scan.last is not None:
            end = end or Head(scan.last.sequence, scan.last.hash)
            next_prev = scan.first.prev
            head_hash = head_hash or scan.head
            if scan.first.sequence <= head.sequence:
                break
    end = end or EMPTY
    if head.sequence > end.sequence:
        raise _refusal(
            directory / segment_name(max(numbers, default=1)),
            f"the trail ends at record {end.sequence}, but record {head.sequence} was written",
        )
    if head_hash != head.hash:
        raise _refusal(
            directory / HEAD_NAME, f"record {head.sequence} is not the one the head file names"
        )
    return Tail(max(numbers, default=0), size, torn, end, end.sequence - head.sequence)


def _head(directory: Path, trail_exists: bool) -> Head:
    path = directory / HEAD_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    if not data and not trail_exists:
        return EMPTY
    try:
        return read_head(data)
    except BrokenLine as error:
        raise _refusal(path, "the head file is missing or damaged") from error


def _pruned(directory: Path) -> int:
    """The last segment that was removed because its time was over; 0 when none was."""
    path = directory / PRUNED_NAME
    try:
        return CheckpointLine.parse(path.read_bytes()).segment
    except FileNotFoundError:
        return 0
    except UnusableCheckpoint as error:
        raise _refusal(path, "the file that says what was pruned is damaged") from error


def _scan(segment: Segment, wanted: int) -> _Scan:
    first: Link | None = None
    last: Link | None = None
    head: bytes | None = None
    size = torn = 0
    path = segment.path
    lines = (line for block in blocks(segment) for line in io.BytesIO(block.data))
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        try:
            link = read_line(line)
        except BrokenLine as error:
            raise _refusal(path, str(error), number) from error
        if last is not None and (link.prev != last.hash or link.sequence <= last.sequence):
            raise _refusal(path, "the record does not continue the one before it", number)
        first = first or link
        last = link
        size += len(line)
        if link.sequence == wanted:
            head = link.hash
    return _Scan(first, last, size, torn, head)


def _refusal(path: Path, what: str, line: int | None = None) -> ConfigurationError:
    place = str(path) if line is None else f"{path}:{line}"
    return ConfigurationError(
        f"{place}: {what}",
        detail="The audit trail was changed from outside or the disk lost data.",
        hint=(
            f"Run `dbguard audit verify --audit {path.parent}`, keep the directory as evidence, "
            "and start with a new audit directory."
        ),
    )
