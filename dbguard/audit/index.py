"""What a sealed segment holds, by frame, so that a search reads only the frames it needs.

The index is a convenience, never evidence: nothing but speed is lost without it, and it is made
again from the segment. As a file it is JSON in zstd frames: a header with the table of frames, then
one frame for each `Term` with its values, each with a bitmap (hexadecimal, lowest bit first frame)
of the frames it occurs in. A term of too many values is left out: then all frames are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from dbguard.audit.chain import Link
from dbguard.audit.compression import DamagedFrame, FramePlace, compress, decompress, first_frame
from dbguard.audit.terms import LineTerms, Term

MAX_VALUES: Final = 20_000
"""Values of one term in a segment of 64 MiB: about a session for every four records."""
MAX_CHARACTERS: Final = 4 * 1024**2
"""All values of one term together; more would be a second copy of the segment."""


class UnusableIndex(ValueError):
    """The bytes are not the index of this segment."""


class FrameEntry(NamedTuple):
    offset: int
    """In the compressed file."""
    size: int
    """Bytes in the compressed file."""
    raw: int
    """Bytes of lines."""
    first: int
    """Sequence number of the first record."""
    last: int
    earliest: str
    latest: str
    """Times as they stand in records; the clock may have been set back in between."""


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    number: int
    """Of the segment."""
    size: int
    """Bytes of its compressed file."""
    frames: tuple[FrameEntry, ...]
    _packed: bytes
    _places: Mapping[Term, tuple[int, int]]
    """Offset and size in `_packed`."""

    @property
    def all(self) -> int:
        """The bitmap of all frames."""
        return (1 << len(self.frames)) - 1

    def values(self, term: Term) -> dict[str, int] | None:
        """Each value with the bitmap of its frames; None when there were too many.

        Raises UnusableIndex.
        """
        place = self._places.get(term)
        if place is None:
            return None
        try:
            found = orjson.loads(decompress(self._packed[place[0] : place[0] + place[1]]))
            return {str(value): int(bits, 16) for value, bits in found.items()}
        except (DamagedFrame, ValueError, TypeError, AttributeError) as error:
            raise UnusableIndex("the index is damaged") from error

    def where(self, term: Term, matches: Callable[[str], bool]) -> int:
        """The frames in which a value of the term matches, or may. Raises UnusableIndex."""
        values = self.values(term)
        if values is None:
            return self.all
        bits = 0
        for value, frames in values.items():
            if matches(value):
                bits |= frames
        return bits


class IndexBuilder:
    """Takes a segment's records frame by frame."""

    def __init__(self) -> None:
        self._frames: list[FrameEntry] = []
        self._terms = LineTerms()
        self._values: dict[Term, dict[str, int] | None] = {term: {} for term in Term}
        self._characters = dict.fromkeys(Term, 0)

    def add(self, place: FramePlace, links: Sequence[Link], lines: Iterable[bytes]) -> None:
        """Take the next frame: its lines, and their places in the chain.

        Raises UnusableIndex when one of the lines is not a record.
        """
        if not links:
            raise UnusableIndex("a frame without records")
        found: set[tuple[Term, str]] = set()
        try:
            for line in lines:
                found.update(self._terms.of(line))
        except (ValueError, AttributeError) as error:
            raise UnusableIndex("a line is not a record") from error
        bit = 1 << len(self._frames)
        for term, value in found:
            values = self._values[term]
            if values is None:
                continue
            if value not in values:
                self._characters[term] += len(value)
                if len(values) >= MAX_VALUES or self._characters[term] > MAX_CHARACTERS:
                    self._values[term] = None
                    continue
            values[value] = values.get(value, 0) | bit
        times = [link.time for link in links]
        first, last = links[0].sequence, links[-1].sequence
        self._frames.append(FrameEntry(*place, first, last, min(times), max(times)))

    def render(self, number: int, size: int) -> bytes:
        """The index file of segment `number`, whose compressed file has `size` bytes."""
        packed = bytearray()
        places: dict[str, tuple[int, int]] = {}
        for term, values in self._values.items():
            if values is not None:
                data = orjson.dumps({value: f"{bits:x}" for value, bits in values.items()})
                frame = compress(data + b"\n")
                places[term.value] = (len(packed), len(frame))
                packed += frame
        header = {
            "v": 1,
            "segment": number,
            "size": size,
            "frames": [list(entry) for entry in self._frames],
            "terms": places,
        }
        return compress(orjson.dumps(header) + b"\n") + packed


def parse_index(data: bytes, number: int, size: int) -> SegmentIndex:
    """The index of segment `number`, whose compressed file has `size` bytes.

    Raises UnusableIndex.
    """
    try:
        begin = first_frame(data)
        header = orjson.loads(decompress(data[:begin]))
        if header["v"] != 1 or header["segment"] != number or header["size"] != size:
            raise UnusableIndex("the index is of another segment")
        frames = tuple(_entry(*entry) for entry in header["frames"])
        places = {
            Term(name): (int(offset), int(length))
            for name, (offset, length) in header["terms"].items()
        }
    except (DamagedFrame, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableIndex("the index is damaged") from error
    if sum(frame.size for frame in frames) != size:
        raise UnusableIndex("the index is of another segment")
    return SegmentIndex(number, size, frames, data[begin:], places)


def _entry(
    offset: int, size: int, raw: int, first: int, last: int, earliest: str, latest: str
) -> FrameEntry:
    return FrameEntry(
        int(offset), int(size), int(raw), int(first), int(last), str(earliest), str(latest)
    )
