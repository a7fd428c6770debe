"""The literals of a text that is known but for them, found without looking through all of it.

`shape_of` finds where literals begin and end in any text. Most texts of an application are those of
its last few statements with other numbers and strings: here a text is held against what stands
between the literals of one that has a shape. Where that fits, and each literal is of the plainest
kind, `shape_of` would cut it at the same places and give it the same blank, since whatever it looks
at to tell where a literal ends stands in what has not changed (tests/sql/test_mould.py compares the
two). Where it does not, nothing is said, and `shape_of` has to be asked.
"""

from __future__ import annotations

from typing import Final

from .shape import INTEGER, STRING, Shape

_DIGITS: Final = 9
"""Of a number that is surely an integer: see `shape`."""
_PLAIN: Final = bytes(c for c in range(0x20, 0x7F) if c not in b"'\\")
"""What a string may hold here."""


class Mould:
    """What stands between the literals of a text. Holds no literal."""

    __slots__ = ("_gaps", "_strings")

    def __init__(self, gaps: list[bytes], strings: list[bool]) -> None:
        """`strings` tells of each literal whether it is one; the others are integers."""
        self._gaps = gaps
        self._strings = strings

    def literals(self, data: bytes, start: int, stop: int) -> list[bytes] | None:
        """Those of the text from `start` to `stop`, as written; None where that is not plain."""
        gaps, found = self._gaps, []
        gap = gaps[0]
        if not data.startswith(gap, start, stop):
            return None
        position = start + len(gap)
        for number, is_string in enumerate(self._strings, 1):
            gap = gaps[number]
            if is_string:
                if not data.startswith(b"'", position, stop):
                    return None
                end = data.find(b"'", position + 1, stop) + 1
                content = data[position + 1 : end - 1]
                if not end or content.translate(None, _PLAIN) or b"/*" in content:
                    return None
            else:
                if gap:
                    end = data.find(gap, position, min(stop, position + _DIGITS + len(gap)))
                else:
                    end = stop
                if not 0 < end - position <= _DIGITS or not data[position:end].isdigit():
                    return None
            if not data.startswith(gap, end, stop):
                return None
            found.append(data[position:end])
            position = end + len(gap)
        return found if position == stop else None


def mould_of(shape: Shape) -> Mould | None:
    """For texts of this shape; None when it has literals of other kinds, or too many."""
    if shape.said is not None or not shape.blank.isascii():
        return None
    strings = []
    position = 0
    for gap, _ in zip(shape.between, shape.literals, strict=False):
        position += len(gap)
        mark = shape.blank[position]
        if mark not in (INTEGER, STRING):
            return None
        strings.append(mark == STRING)
        position += 1
    return Mould([gap.encode("ascii") for gap in shape.between], strings)
