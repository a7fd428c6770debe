"""Where a trail ends: what the writer must know before it may go on.

A partial last line is a torn write of a crash and is cut. So is what stands from the first line on
that has zeros in it, which is how pages read that a power loss took, where it is behind all that
is known to have been synced. Anything else that does not fit is not repaired here: going on behind
it would hide it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbguard.audit.blocks import blocks
from dbguard.audit.chain import (
    EMPTY,
    HEAD_NAME,
    HEAD_SIZE,
    BrokenLine,
    Head,
    Link,
    read_head,
    read_line,
    segment_name,
)
from dbguard.audit.trails import Segment, segments
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed from the trail's beginning because its time was over."""

    segment: int
    """Number of the last segment removed."""
    last: Head
    """The last record removed."""


NOTHING_PRUNED = Pruned(0, EMPTY)


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
    last_segment: int = 0
    """Number of the segment that holds the last record; 0 when there is none."""
    last_time: str = ""
    """Of the last record; empty when there is none."""
    began: str = ""
    """The time of the first record of the last segment; empty when it has none."""
    ended: bool = False
    """The last segment cannot be written to any more: it was pruned."""


@dataclass(frozen=True, slots=True)
class _Scan:
    first: Link | None
    last: Link | None
    size: int
    torn: int
    head: bytes | None
    """Hash of the record the head file names, when it is in this segment."""


def segments_behind(directory: Path, pruned: Pruned) -> list[Segment]:
    """The segments that are there, without those that count as pruned.

    Raises ConfigurationError when one is missing in between.
    """
    found = [one for one in segments(directory) if one.number > pruned.segment]
    for expected, segment in enumerate(found, pruned.segment + 1):
        if segment.number != expected:
            raise refusal(directory / segment_name(expected), "the segment is missing")
    return found


def segment_lines(segment: Segment) -> Iterator[tuple[Path, int, bytes]]:
    """The segment's lines, each with its file and its number. Raises ConfigurationError."""
    path = segment.path
    lines = (line for block in blocks(segment) for line in io.BytesIO(block.data))
    for number, line in enumerate(lines, 1):
        yield path, number, line


def find_tail(directory: Path, pruned: Pruned = NOTHING_PRUNED) -> Tail:
    """Read the end of the trail in `directory`.

    Checks every line from the one the head file names (at least the whole last segment).
    Raises ConfigurationError when the end is not what a writer left, OSError.
    """
    found = segments_behind(directory, pruned)
    head = _head(directory, bool(found) or pruned is not NOTHING_PRUNED)
    if found and found[-1].sealed:
        raise refusal(found[-1].compressed, "the last segment is sealed, which never happens")
    end: Head | None = None
    size = torn = last_segment = 0
    last_time = began = ""
    next_prev: bytes | None = None
    head_hash = pruned.last.hash if head.sequence == pruned.last.sequence else None
    for segment in reversed(found):
        path = segment.path
        scan = _scan(segment, head.sequence)
        if segment is found[-1]:
            size, torn = scan.size, scan.torn
            began = scan.first.time if scan.first else ""
        elif scan.torn:
            raise refusal(path, "the segment ends in the middle of a line")
        if next_prev is not None and scan.last is not None and scan.last.hash != next_prev:
            raise refusal(path, "the next segment does not continue this one")
        if scan.first is not None and scan.last is not None:
            if end is None:
                end = Head(scan.last.sequence, scan.last.hash)
                last_segment, last_time = segment.number, scan.last.time
            next_prev = scan.first.prev
            head_hash = head_hash or scan.head
            if scan.first.sequence <= head.sequence:
                break
    end = end or pruned.last
    number = found[-1].number if found else pruned.segment
    if head.sequence > end.sequence:
        raise refusal(
            directory / segment_name(max(1, number)),
            f"the trail ends at record {end.sequence}, but record {head.sequence} was written",
        )
    if head_hash != head.hash:
        raise refusal(
            directory / HEAD_NAME, f"record {head.sequence} is not the one the head file names"
        )
    return Tail(
        segment=number,
        size=size,
        torn=torn,
        last=end,
        behind=end.sequence - head.sequence,
        last_segment=last_segment or pruned.segment,
        last_time=last_time,
        began=began,
        ended=not found,
    )


def _head(directory: Path, trail_exists: bool) -> Head:
    path = directory / HEAD_NAME
    try:
        with open_regular(path, follow=False) as file:
            data = file.read(HEAD_SIZE + 1)
    except FileNotFoundError:
        data = b""
    if not data and not trail_exists:
        return EMPTY
    try:
        return read_head(data)
    except BrokenLine as error:
        raise refusal(path, "the head file is missing or damaged") from error


def _scan(segment: Segment, wanted: int) -> _Scan:
    first: Link | None = None
    last: Link | None = None
    head: bytes | None = None
    size = torn = 0
    for path, number, line in segment_lines(segment):
        if unwritten(line):
            torn = segment.size - size
            break
        link = checked(path, number, line, last)
        first = first or link
        last = link
        size += len(line)
        if link.sequence == wanted:
            head = link.hash
    return _Scan(first, last, size, torn, head)


def unwritten(line: bytes) -> bool:
    """Whether a crash stopped the writing of this line.

    It is cut off; or, behind a power loss, some of its pages are missing, which read as zeros.
    No record holds a zero byte.
    """
    return not line.endswith(b"\n") or b"\0" in line


def checked(path: Path, number: int, line: bytes, before: Link | Head | None) -> Link:
    """The line's place in the chain, behind `before`. Raises ConfigurationError."""
    try:
        link = read_line(line)
    except BrokenLine as error:
        raise refusal(path, str(error), number) from error
    if before is not None and (link.prev != before.hash or link.sequence <= before.sequence):
        raise refusal(path, "the record does not continue the one before it", number)
    return link


def refusal(path: Path, what: str, line: int | None = None) -> ConfigurationError:
    place = str(path) if line is None else f"{path}:{line}"
    return ConfigurationError(
        f"{place}: {what}",
        detail="The audit trail was changed from outside or the disk lost data.",
        hint=(
            f"Run `dbguard audit verify --audit {path.parent}`, keep the directory as evidence, "
            "and start with a new audit directory."
        ),
    )
