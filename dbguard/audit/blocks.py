"""The lines of a segment in blocks of about 1 MiB, forward or backward, plain or sealed.

A segment may be sealed or removed between being listed and being read: what was opened stays
readable, and what is gone under one name is looked for under the other.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from dbguard.audit.compression import DamagedFrame, decompress, frame_places
from dbguard.audit.index import FrameEntry, SegmentIndex, UnusableIndex, parse_index
from dbguard.audit.trails import Segment, unreadable
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular

BLOCK: Final = 1024 * 1024
"""Bytes of lines read, and compressed, at a time."""
INDEX_LIMIT: Final = 256 * 1024**2
LINE_LIMIT: Final = 256 * 1024**2
"""Bytes; what does not end by then is no line, and must not fill the memory."""
_BEGINNING: Final = re.compile(rb'\{"v":1,"seq":([0-9]{1,19}),')


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that stand together."""

    segment: Segment
    offset: int
    """Bytes of lines before it in its segment."""
    data: bytes
    """Whole lines, but for what a crash left at the end of a chain's last segment."""


Wanted = Callable[[SegmentIndex], int]
"""Says which frames are worth reading, as a bitmap. May raise UnusableIndex."""


def load_index(segment: Segment) -> SegmentIndex | None:
    """The index of a sealed segment; None when it is missing or not its own."""
    try:
        size = segment.compressed.stat().st_size
        with open_regular(segment.index) as file:
            data = file.read(INDEX_LIMIT + 1)
        if len(data) > INDEX_LIMIT:
            return None
        return parse_index(data, segment.number, size)
    except (UnusableIndex, OSError):
        return None


def blocks(
    segment: Segment,
    wanted: Wanted | None = None,
    *,
    backward: bool = False,
    start: int = 0,
) -> Iterator[Block]:
    """The segment's blocks; without `wanted`, and then without its index, from byte `start` on.

    None come from a segment that is not there any more.
    Raises ConfigurationError for what cannot be read.
    """
    try:
        if not segment.sealed:
            try:
                file = open_regular(segment.plain)
            except FileNotFoundError:
                segment = replace(segment, sealed=True)
            else:
                with file:
                    yield from _plain(segment, file, start, backward)
                return
        try:
            file = open_regular(segment.compressed)
        except FileNotFoundError:
            return
        with file:
            yield from _sealed(segment, file, wanted, start, backward)
    except OSError as error:
        raise unreadable(segment.path, error) from error


def line_number(block: Block, position: int) -> int:
    """The 1-based number in its segment of the line at `position` of the block.

    Reads the segment up to there: for messages. Raises ConfigurationError.
    """
    before = 0
    for earlier in blocks(block.segment):
        if earlier.offset >= block.offset:
            break
        before += earlier.data[: block.offset - earlier.offset].count(b"\n")
    return before + block.data.count(b"\n", 0, position) + 1


def _plain(segment: Segment, file: BinaryIO, start: int, backward: bool) -> Iterator[Block]:
    if backward:
        yield from _plain_backward(segment, file, start)
        return
    file.seek(start)
    rest: list[bytes] = []
    held = 0
    while chunk := file.read(BLOCK):
        end = chunk.rfind(b"\n") + 1
        if end:
            data = b"".join([*rest, chunk[:end]])
            yield Block(segment, start, data)
            start += len(data)
            rest, held = [], 0
        if end < len(chunk):
            rest.append(chunk[end:])
            held = _held(segment, held + len(chunk) - end)
    if rest:
        yield Block(segment, start, b"".join(rest))


def _held(segment: Segment, size: int) -> int:
    """The bytes of a line that has not ended. Raises ConfigurationError when it never will."""
    if size > LINE_LIMIT:
        raise damaged(segment.plain, f"a line of more than {LINE_LIMIT} bytes")
    return size


def _plain_backward(segment: Segment, file: BinaryIO, start: int) -> Iterator[Block]:
    position = file.seek(0, 2)
    rest: list[bytes] = []
    """Behind the piece that was read, backward."""
    held = 0
    while position > start:
        begin = max(start, position - BLOCK)
        file.seek(begin)
        data = file.read(position - begin)
        position = begin
        # Whole lines only: what stands before the first line feed belongs to the block before.
        cut = 0 if begin == start else data.find(b"\n") + 1
        if begin > start and not cut:
            rest.append(data)
            held = _held(segment, held + len(data))
            continue
        lines = b"".join([data[cut:], *reversed(rest)])
        if lines:
            yield Block(segment, begin + cut, lines)
        rest, held = [data[:cut]], cut


def _sealed(
    segment: Segment, file: BinaryIO, wanted: Wanted | None, start: int, backward: bool
) -> Iterator[Block]:
    done: int | None = None
    """Sequence number of the last block's first record."""
    index = load_index(segment) if wanted is not None else None
    if index is not None and wanted is not None:
        try:
            for entry, offset in _chosen(index, wanted(index), backward):
                yield Block(segment, offset, _read(file, entry))
                done = entry.first
            return
        except UnusableIndex:
            pass  # it does not fit the segment: all frames are read, but for those given already
    try:
        places = frame_places(segment.compressed)
        offsets = list(itertools.accumulate((place.raw for place in places), initial=0))
        for number in range(len(places))[:: -1 if backward else 1]:
            if offsets[number + 1] <= start:
                continue
            place, offset = places[number], offsets[number]
            file.seek(place.offset)
            data = decompress(file.read(place.size))
            first = _first_sequence(data)
            if done is None or first is None or (first < done if backward else first > done):
                yield _after(Block(segment, offset, data), start)
    except DamagedFrame as error:
        raise damaged(segment.compressed, str(error)) from error


def damaged(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: {problem}",
        hint=f"Run `dbguard audit verify --audit {path.parent}` to see what was changed.",
    )


def _chosen(index: SegmentIndex, bits: int, backward: bool) -> Iterator[tuple[FrameEntry, int]]:
    places = []
    offset = 0
    for number, entry in enumerate(index.frames):
        if bits >> number & 1:
            places.append((entry, offset))
        offset += entry.raw
    return iter(reversed(places) if backward else places)


def _read(file: BinaryIO, entry: FrameEntry) -> bytes:
    """A frame as the index says. Raises UnusableIndex when it is not there."""
    file.seek(entry.offset)
    try:
        data = decompress(file.read(entry.size))
    except DamagedFrame as error:
        raise UnusableIndex("a frame is not where the index says") from error
    if len(data) != entry.raw or _first_sequence(data) != entry.first:
        raise UnusableIndex("a frame is another than the index says")
    return data


def _first_sequence(data: bytes) -> int | None:
    match = _BEGINNING.match(data)
    return int(match[1]) if match else None


def _after(block: Block, start: int) -> Block:
    """The part of the block from byte `start` of the segment on."""
    if block.offset >= start:
        return block
    return Block(block.segment, start, block.data[start - block.offset :])
