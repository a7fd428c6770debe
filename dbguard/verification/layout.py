"""Which checkpoints belong to which segment, and whether they say what stands there: told while the
segments are read one after the other, and without keeping the checkpoints."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .careful_walk import Base, Walk
from .sources import Entry, Source


@dataclass(slots=True)
class _Run:
    """Checkpoints that stand one behind the other, all of one segment's records."""

    source: int
    begin: Entry
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint, and whose it is."""

    source: int
    entry: Entry


class Layout:
    def __init__(
        self,
        sources: Sequence[Source],
        origins: frozenset[str],
        firsts: Sequence[int],
        base: Base,
    ) -> None:
        """`origins`: what checkpoints of this chain may call it (all of its own do); `firsts`: the
        first record of each segment, 0 where that is not known. Raises OSError."""
        self._sources = sources
        # A segment out of its place begins before another one ends: its checkpoints are looked
        # for where they should be.
        highest = [0, *accumulate(firsts, max)]
        self._begins = [index for index, first in enumerate(firsts) if first > highest[index]]
        starts = [firsts[index] for index in self._begins]
        self._runs: list[list[_Run]] = [[] for _ in range(len(firsts) + 1)]
        """By segment, those before the first one in front."""
        latest: list[tuple[int, int]] = [(0, 0)] * (len(firsts) + 1)
        self.any = False
        self.last = 0
        """The highest sequence number that a checkpoint covers."""
        for number, source in enumerate(sources):
            run: _Run | None = None
            at = -1
            for entry in source.entries():
                outline = source.outline(entry)
                if outline is None or not (source.own or outline.origin in origins):
                    run = None
                    continue
                place = bisect_right(starts, outline.sequence)
                index = self._begins[place - 1] + 1 if place else 0
                if run is None or index != at:
                    run, at = _Run(number, entry._replace(raw=b""), 0), index
                    self._runs[index].append(run)
                run.count += 1
                self.any = True
                self.last = max(self.last, outline.sequence)
                latest[index] = max(latest[index], (outline.sequence, outline.size))
        self._lost: list[int] = []
        """By segment, numbers that were not used before it."""
        known = base.sequence, base.size
        for one in latest[:-1]:
            known = max(known, one)
            self._lost.append(max(0, known[0] - known[1]))

    def start(self, index: int, first: int) -> int:
        """Where the segment's first record stands in the tree, as checkpoints before it let expect;
        -1 when no tree is wanted."""
        return max(0, first - 1 - self._lost[index]) if self.any and first else -1

    def sizes(self, index: int) -> tuple[int, ...]:
        """Sizes of the tree, ascending, at which checkpoints of the segment were made."""
        outlines = (self._sources[one.source].outline(one.entry) for one in self.of(index))
        return tuple(sorted({outline.size for outline in outlines if outline}))

    def of(self, index: int) -> Iterator[Found]:
        """The checkpoints of a segment; those before the first one for -1. Raises OSError."""
        for run in self._runs[index + 1]:
            entries = self._sources[run.source].entries(run.begin)
            for _, entry in zip(range(run.count), entries, strict=False):
                yield Found(run.source, entry)


class Matching:
    """Compares checkpoints with a walk as it comes to them."""

    def __init__(self, walk: Walk, sources: Sequence[Source], layout: Layout) -> None:
        self._walk = walk
        self._sources = sources
        self._layout = layout
        self.matches = [bytearray(source.count) for source in sources]

    def before(self, base: Base) -> None:
        """Those of what was removed: only the last record of that is known."""
        if base.size:
            known = {base.size: (self._walk.tree.root(), base.sequence, base.hash)}
            self._compare(-1, known)

    def segment(self, index: int) -> None:
        self._compare(index, self._walk.states)
        self._walk.states.clear()

    def _compare(self, index: int, states: Mapping[int, tuple[bytes, int, bytes]]) -> None:
        for found in self._layout.of(index):
            checkpoint = self._sources[found.source].checkpoint(found.entry)
            if checkpoint is not None:
                state = checkpoint.root, checkpoint.sequence, checkpoint.hash
                if states.get(checkpoint.size) == state:
                    self.matches[found.source][found.entry.number] = 1
