"""Edits to a client's text, and the way back from the server's positions to the client's."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Splice:
    """Bytes `start` to `end` of the original become `text`; nothing is removed when they meet."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class PositionMap:
    """Character positions in a rewritten text to those in the original, both 1-based.

    The text is cut into runs that start at `rewritten[i]` (0-based, in characters) and belong to
    `original[i]`. In a run that was kept, positions move along; in one that was spliced in, all
    of them mean the place where the splice stands.
    """

    rewritten: tuple[int, ...] = (0,)
    original: tuple[int, ...] = (0,)
    kept: tuple[bool, ...] = (True,)

    def to_original(self, position: int) -> int:
        """The client's position for the server's `position`."""
        offset = max(position - 1, 0)
        run = bisect.bisect_right(self.rewritten, offset) - 1
        moved = offset - self.rewritten[run] if self.kept[run] else 0
        return self.original[run] + moved + 1


def ordered(splices: Iterable[Splice]) -> tuple[Splice, ...]:
    """Sorted by place; insertions at one place keep their order and stand before a replacement.

    Raises:
        ValueError: two splices overlap.
    """
    result = tuple(sorted(splices, key=lambda s: (s.start, s.end)))
    behind = 0
    for splice in result:
        if splice.start < behind or splice.end < splice.start:
            raise ValueError("splices overlap")
        behind = splice.end
    return result


def apply(raw: bytes, splices: Iterable[Splice]) -> bytes:
    """`raw` with the splices made.

    Raises:
        ValueError: two splices overlap, or one lies outside `raw`.
    """
    pieces: list[bytes] = []
    behind = 0
    for splice in ordered(splices):
        if splice.end > len(raw):
            raise ValueError("splice outside the text")
        pieces += [raw[behind : splice.start], splice.text.encode("utf-8")]
        behind = splice.end
    return b"".join([*pieces, raw[behind:]])


def position_map(raw: bytes, splices: Iterable[Splice]) -> PositionMap:
    """The way back from positions in `apply(raw, splices)`."""
    rewritten, original, kept = [0], [0], [True]
    new = old = behind = 0

    def run(is_kept: bool) -> None:
        if rewritten[-1] == new:
            # The run before is empty.
            rewritten.pop(), original.pop(), kept.pop()
        rewritten.append(new)
        original.append(old)
        kept.append(is_kept)

    for splice in ordered(splices):
        before = len(raw[behind : splice.start].decode("utf-8"))
        new, old = new + before, old + before
        if splice.text:
            run(False)
        new += len(splice.text)
        old += len(raw[splice.start : splice.end].decode("utf-8"))
        run(True)
        behind = splice.end
    return PositionMap(tuple(rewritten), tuple(original), tuple(kept))
