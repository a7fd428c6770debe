"""Times for records: those of the system's clock, in order, and told when somebody sets it.

The clock is held against one that nobody can set and that goes on while the machine sleeps. Their
difference may grow by a second since it was last looked at closely; behind that the clock was
*stepped*. Steps are told to the caller, who records them before the next record. Smaller ones
back (slewing does none) make no record older than the one before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dbguard.audit.records import EventRecord, RecordKind

STEP_SECONDS = 1.0
_STEP = timedelta(seconds=STEP_SECONDS)
CLOCK_BODY = b'"kind":"%b",' % RecordKind.CLOCK.value.encode()
"""How the body of a CLOCK record begins."""
NEVER = datetime.min.replace(tzinfo=UTC)

_CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux: goes on while the machine sleeps. What others call monotonic does so by itself."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def elapsed() -> float:
    """Seconds since some point in the past."""
    return time.clock_gettime(_CLOCK_ID)


class OneClock:
    """A clock that nothing is held against: only its going back shows."""

    __slots__ = ("_clock", "_seconds")

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seconds = 0.0

    def now(self) -> datetime:
        now = self._clock()
        self._seconds = now.timestamp()
        return now

    def elapsed(self) -> float:
        """Of the time told last."""
        return self._seconds


def written(moment: datetime) -> str:
    """The moment (UTC) as records have it."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def moment(text: str) -> datetime | None:
    """The time of a record; None when there is none, or it is no time in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is UTC else None


@dataclass(frozen=True, slots=True)
class ClockStep:
    before: datetime
    """What the time should be."""
    after: datetime
    """What the clock says."""

    def record(self) -> EventRecord:
        seconds = (self.after - self.before).total_seconds()
        return EventRecord(
            RecordKind.CLOCK,
            "",
            (
                ("before", written(self.before)),
                ("after", written(self.after)),
                ("seconds", f"{seconds:.3f}"),
            ),
        )


class Mark(NamedTuple):
    """Where the times stood; what came later can be taken back."""

    wall: datetime
    monotonic: float
    last: datetime


class Stamps:
    """Not thread-safe: the writer calls it under its lock."""

    __slots__ = ("_clock", "_elapsed", "_last", "_monotonic", "_wall")

    def __init__(
        self,
        last: datetime | None,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = elapsed,
    ) -> None:
        """`last`: the time of the last record there is."""
        self._clock = clock
        self._elapsed = monotonic
        self._wall = NEVER
        self._monotonic = 0.0
        self._last = last or NEVER

    def now(self) -> datetime:
        now = self._clock()
        return now if now.tzinfo is UTC else now.astimezone(UTC)

    def take(self) -> tuple[datetime, ClockStep | None]:
        """The time of the next record, and the step to record before it with the same time."""
        now = self._clock()
        if now.tzinfo is not UTC:
            now = now.astimezone(UTC)
        monotonic = self._elapsed()
        last = self._last
        if self._wall is NEVER:
            self._wall, self._monotonic = now, monotonic
        drift = (now - self._wall).total_seconds() - (monotonic - self._monotonic)
        if -STEP_SECONDS <= drift <= STEP_SECONDS:
            if now >= last:
                self._last = now
                return now, None
            if last - now <= _STEP:
                return last, None
        expected = self._wall + timedelta(seconds=monotonic - self._monotonic)
        self._wall, self._monotonic, self._last = now, monotonic, now
        return now, ClockStep(max(expected, last), now)

    def quiet(self) -> datetime:
        """A time that follows on, whatever the clock says: steps are left for `take`."""
        now = self.now()
        drift = (now - self._wall).total_seconds() - (self._elapsed() - self._monotonic)
        if now >= self._last and (self._wall is NEVER or abs(drift) <= STEP_SECONDS):
            self._last = now
            return now
        return now if self._last is NEVER else self._last

    def mark(self) -> Mark:
        return Mark(self._wall, self._monotonic, self._last)

    def restore(self, mark: Mark) -> None:
        """Forget what was taken since: those records were never written."""
        self._wall, self._monotonic, self._last = mark
