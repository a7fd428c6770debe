"""One record by its number, without reading what stands before it."""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from typing import Final

from dbguard.audit.blocks import Block, Wanted, blocks
from dbguard.audit.index import SegmentIndex
from dbguard.audit.lines import Place, place_of
from dbguard.audit.trails import Chain, Segment, segments

_SEQUENCE: Final = re.compile(rb'\{"v":1,"seq":([0-9]{1,19}),')
_KEPT: Final = 4
"""Blocks of about 1 MiB: a statement's records stand in the same or the next one."""


class Finder:
    """Looks records of a chain up; remembers the blocks they were in.

    All methods raise ConfigurationError for what cannot be read.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._segments: list[Segment] | None = None
        self._firsts: dict[int, int | None] = {}
        """First sequence number by segment number."""
        self._kept: deque[Block] = deque(maxlen=_KEPT)

    def place(self, sequence: int, near: Block | None = None) -> Place | None:
        """The record's line, None when there is none; `near` is looked at first."""
        for block in (*((near,) if near else ()), *self._kept):
            found = _in(block, sequence)
            if found is not None:
                return found
        segment = self._segment(sequence)
        if segment is None:
            return None
        # That there is no such record is not believed because an index says so.
        for worth in (partial(_around, sequence), None):
            for block in blocks(segment, worth):
                found = _in(block, sequence)
                if found is not None:
                    self._kept.appendleft(block)
                    return found
            if not segment.sealed:
                break
        return None

    def members(self, sequence: int, near: Block | None = None) -> dict[str, object] | None:
        place = self.place(sequence, near)
        return None if place is None else place.members

    def _segment(self, sequence: int) -> Segment | None:
        """The segment that holds the record, if any does."""
        if self._segments is None:
            self._segments = segments(self._chain.folder)
        found = self._segments
        low, high = 0, len(found)
        while high - low > 1:
            middle = (low + high) // 2
            first = self._first(found[middle])
            if first is not None and first <= sequence:
                low = middle
            else:
                high = middle
        return found[low] if found else None

    def _first(self, segment: Segment) -> int | None:
        if segment.number not in self._firsts:
            self._firsts[segment.number] = first_sequence(segment)
        return self._firsts[segment.number]


def first_sequence(segment: Segment) -> int | None:
    """The number of the segment's first record; None when it has none."""
    first: Wanted = _first_frame
    for block in blocks(segment, first):
        match = _SEQUENCE.match(block.data)
        return int(match[1]) if match else None
    return None


def _first_frame(index: SegmentIndex) -> int:
    return 1


def _around(sequence: int, index: SegmentIndex) -> int:
    return sum(
        1 << number
        for number, frame in enumerate(index.frames)
        if frame.first <= sequence <= frame.last
    )


def _in(block: Block, sequence: int) -> Place | None:
    beginning = b'{"v":1,"seq":%d,' % sequence
    data = block.data
    position = 0 if data.startswith(beginning) else data.find(b"\n" + beginning) + 1
    if not position and not data.startswith(beginning):
        return None
    end = data.find(b"\n", position) + 1
    return place_of(block, position, data[position:end]) if end else None
