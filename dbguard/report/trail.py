"""Which files of a trail a report reads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dbguard.audit.blocks import Block, blocks
from dbguard.audit.trails import Segment, chains, segments
from dbguard.report.counting import instant

_CLOCK_SLACK = timedelta(days=1)
"""A segment is left out by the times of its neighbours; a clock may have been off by so much."""


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time; an end that is None is open."""

    since: datetime | None = None
    """This moment included."""
    until: datetime | None = None
    """This moment excluded."""


@dataclass(frozen=True, slots=True)
class Part:
    """One segment of a chain."""

    segment: Segment
    chain: str
    """Name of its writer; empty at the top level."""
    size: int
    """Bytes on disk."""


def parts(directory: Path, wanted: Range) -> list[Part]:
    """The segments that may hold records of the range, chain by chain, each chain's in order.

    Raises ConfigurationError when there is no such directory.
    """
    found = []
    for chain in chains(directory):
        every = segments(chain.folder)
        found += [Part(s, chain.writer, _size(s)) for s in _within(every, wanted)]
    return found


def lines(part: Part) -> Iterator[tuple[Block, int, bytes]]:
    """Lines with their block and place in it, those of the whole segment.

    Not by its index, which could have been made to hide something. Without an unfinished one at
    the end. Raises ConfigurationError when the file cannot be read.
    """
    for block in blocks(part.segment):
        position = 0
        for line in io.BytesIO(block.data):
            if line[-1:] != b"\n":
                return
            yield block, position, line
            position += len(line)


def _size(segment: Segment) -> int:
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0  # sealed at this moment; `blocks` finds it under its other name


def _within(chain: list[Segment], wanted: Range) -> list[Segment]:
    """Without the segments that lie wholly outside the range."""
    if wanted.since is None and wanted.until is None:
        return chain
    starts = [_start(segment) for segment in chain]
    kept = []
    for index, segment in enumerate(chain):
        following = starts[index + 1] if index + 1 < len(chain) else None
        if wanted.since and following and following < wanted.since - _CLOCK_SLACK:
            continue
        own = starts[index]
        if wanted.until and own and own > wanted.until + _CLOCK_SLACK:
            continue
        kept.append(segment)
    return kept


def _start(segment: Segment) -> datetime | None:
    """When the segment's first record was written; None when that cannot be told."""
    for block in blocks(segment):
        _, found, after = block.data.partition(b',"time":"')
        try:
            return instant(after[: after.find(b'"')].decode("ascii")) if found else None
        except (ValueError, UnicodeDecodeError):
            return None
    return None
