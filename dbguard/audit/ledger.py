"""Which sequence numbers were given out, and what has become of each. No lock, no file.

Numbers up to `kept` are on the trail, but for gaps that outages left; those behind it are pending,
or lost while an outage lasts. The first record after an outage has the number that was reserved
for it when the disk refused: all between the last kept one and that are lost for good.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import replace

from dbguard.audit.outage import AuditFailure, Outage, closed, lost_before
from dbguard.errors import AuditUnavailable

_GAPS_REMEMBERED = 1000


class Fate(enum.Enum):
    PENDING = enum.auto()
    KEPT = enum.auto()
    LOST = enum.auto()


class Ledger:
    """Not thread-safe: the log calls it under its lock. Single attributes may be read without."""

    __slots__ = ("_gaps", "_gaps_forgotten", "closing", "finished", "kept", "next", "outage")

    def __init__(self, last: int) -> None:
        """`last`: the sequence number of the last record there is."""
        self.next = last + 1
        """The number that is given out next."""
        self.kept = last
        self.outage: Outage | None = None
        self.closing = False
        self.finished = False
        """Nothing is written any more."""
        self._gaps: deque[tuple[int, int]] = deque()
        self._gaps_forgotten = 0

    def give(self) -> int:
        """A number for a record."""
        sequence = self.next
        self.next = sequence + 1
        return sequence

    def fate(self, sequence: int) -> Fate:
        """Raises ValueError for a number never given out."""
        if not 0 < sequence < self.next:
            raise ValueError(f"no record has the number {sequence}")
        if sequence > self.kept:
            if self.finished or (self.outage and sequence < self.outage.reserved):
                return Fate.LOST
            return Fate.PENDING
        if sequence <= self._gaps_forgotten:
            return Fate.LOST  # not known any more: the answer that lets nothing run
        if not self._gaps:
            return Fate.KEPT
        lost = any(first <= sequence <= last for first, last in self._gaps)
        return Fate.LOST if lost else Fate.KEPT

    def surely_keeps(self, sequence: int) -> bool:
        """True for most numbers whose fate is KEPT. May be asked without the lock: `keep` notes
        gaps before it tells that anything behind them is kept."""
        return 0 < sequence <= self.kept and not self._gaps and sequence > self._gaps_forgotten

    def refusal(self) -> AuditUnavailable:
        """The error for somebody whose record is lost."""
        if self.outage:
            return self.outage.failure.refusal()
        if self.closing or self.finished:
            return closed()
        return lost_before()

    def keep(self, sequence: int, over: Outage | None) -> None:
        """All pending records up to `sequence` are on the trail; `over` is the outage that this
        has ended."""
        if over is not None:
            if self.kept + 1 < over.reserved:
                self._gaps.append((self.kept + 1, over.reserved - 1))
            if len(self._gaps) > _GAPS_REMEMBERED:
                self._gaps_forgotten = self._gaps.popleft()[1]
            self.outage = None
        self.kept = sequence

    def lose(self, count: int, failure: AuditFailure) -> None:
        """The disk refused `count` records, all that are pending."""
        outage = self.outage
        if outage and not count:
            self.outage = replace(outage, failure=failure)
        else:
            self.outage = Outage(failure, self.give(), count + (outage.lost if outage else 0))
