"""Positions in the write-ahead log, and names of its segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .fields import Misread

_NAME_LENGTH: Final = 24
_HEX: Final = frozenset("0123456789ABCDEF")


def parse_lsn(value: object) -> int:
    """A position in bytes: `16/B374D848` as PostgreSQL writes it, or a number. Raises Misread."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        high, slash, low = value.upper().partition("/")
        if slash and all(1 <= len(part) <= 8 and _HEX.issuperset(part) for part in (high, low)):
            return (int(high, 16) << 32) + int(low, 16)
        if value.isascii() and value.isdecimal() and len(value) <= 20 and int(value) < 2**64:
            return int(value)
    raise Misread("a WAL position is none")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's name; positions are comparable whatever the segments' size."""

    timeline: int
    position: int

    @classmethod
    def parse(cls, name: str) -> Segment:
        """Raises Misread for what is no segment's name."""
        if len(name) != _NAME_LENGTH or not _HEX.issuperset(name):
            raise Misread("a WAL segment's name is none")
        return cls(int(name[:8], 16), int(name[8:], 16))


@dataclass(frozen=True, slots=True)
class Archive:
    """The WAL that is in an archive, from one segment to another."""

    first: Segment
    last: Segment

    def flaw(self, start: Segment, stop: Segment) -> str:
        """Why a backup that needs the WAL from `start` to `stop` cannot be restored; empty when the
        archive reaches that far."""
        if self.last.position < stop.position or self.last.timeline < stop.timeline:
            return "its WAL has not reached the archive to its end"
        if self.first.timeline == start.timeline and self.first.position > start.position:
            return "its WAL is not in the archive any more"
        return ""
