"""Times for records: those of the system's clock, in order, and told when somebody sets it.

The clock is held against one that nobody can set and that goes on while the machine sleeps. Their
difference may grow by a second since it was last looked at closely; behind that the clock was
*stepped*. Steps are told to the caller, who records them before the next record. Smaller ones
back (slewing does none) make no record older than the one before.

A *moment* is a number of microseconds since 1970-01-01 UTC: two moments are taken and compared for
each statement, which datetimes are too slow for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

from dbguard.audit.records import EventRecord, RecordKind

SECOND: Final = 1_000_000
"""Microseconds."""
STEP: Final = SECOND
CLOCK_BODY: Final = b'"kind":"%b",' % RecordKind.CLOCK.value.encode()
"""How the body of a CLOCK record begins."""
NEVER: Final = -(1 << 62)
"""Before all moments."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux: goes on while the machine sleeps. What others call monotonic does so by itself."""


def wall_clock() -> int:
    """What the system's clock says."""
    return time.time_ns() // 1000


def elapsed() -> int:
    """Microseconds since some point in the past."""
    return time.clock_gettime_ns(_CLOCK_ID) // 1000


def moment_of(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4)
def whole_second(second: int) -> bytes:
    """A second since 1970 as records have it, up to the dot before the microseconds. Most records
    are of the same second as the one before."""
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19].encode() + b"."


def written(moment: int) -> str:
    """The moment as records have it."""
    return f"{whole_second(moment // SECOND).decode()}{moment % SECOND:06d}Z"


def moment(text: str) -> int | None:
    """The time of a record; None when there is none, or it is no time in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment_of(found) if found.tzinfo is UTC else None


class GivenClock:
    """A clock that tells datetimes, and one that it is held against; without that one, only its
    going back shows."""

    __slots__ = ("_clock", "_last", "_monotonic")

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] | None
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = 0

    def now(self) -> int:
        self._last = moment_of(self._clock())
        return self._last

    def elapsed(self) -> int:
        return self._last if self._monotonic is None else round(self._monotonic() * SECOND)


@dataclass(frozen=True, slots=True)
class ClockStep:
    before: int
    """What the time should be."""
    after: int
    """What the clock says."""

    def record(self) -> EventRecord:
        seconds = (self.after - self.before) / SECOND
        return EventRecord(
            RecordKind.CLOCK,
            "",
            (
                ("before", written(self.before)),
                ("after", written(self.after)),
                ("seconds", f"{seconds:.3f}"),
            ),
        )


Mark: TypeAlias = tuple[int, int, int]
"""Where the times stood; what came later can be taken back. A plain tuple: one is made for each
commit."""


class Stamps:
    """Not thread-safe: the writer calls it under its lock."""

    __slots__ = ("_clock", "_elapsed", "_last", "_monotonic", "_wall")

    def __init__(
        self,
        last: int | None,
        clock: Callable[[], int] = wall_clock,
        monotonic: Callable[[], int] = elapsed,
    ) -> None:
        """`last`: the time of the last record there is."""
        self._clock = clock
        self._elapsed = monotonic
        self._wall = NEVER
        self._monotonic = 0
        self._last = NEVER if last is None else last

    def now(self) -> int:
        return self._clock()

    def take(self) -> tuple[int, ClockStep | None]:
        """The time of the next record, and the step to record before it with the same time."""
        now = self._clock()
        monotonic = self._elapsed()
        last = self._last
        if self._wall == NEVER:
            self._wall, self._monotonic = now, monotonic
        drift = now - self._wall - monotonic + self._monotonic
        if -STEP <= drift <= STEP:
            if now >= last:
                self._last = now
                return now, None
            if last - now <= STEP:
                return last, None
        expected = self._wall + monotonic - self._monotonic
        self._wall, self._monotonic, self._last = now, monotonic, now
        return now, ClockStep(max(expected, last), now)

    def quiet(self) -> int:
        """A time that follows on, whatever the clock says: steps are left for `take`."""
        now = self._clock()
        drift = now - self._wall - self._elapsed() + self._monotonic
        if now >= self._last and (self._wall == NEVER or abs(drift) <= STEP):
            self._last = now
            return now
        return now if self._last == NEVER else self._last

    def mark(self) -> Mark:
        return self._wall, self._monotonic, self._last

    def restore(self, mark: Mark) -> None:
        """Forget what was taken since: those records were never written."""
        self._wall, self._monotonic, self._last = mark
