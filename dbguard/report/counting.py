"""Counting names whose number nobody bounds, in memory that somebody does."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime

from dbguard.report.model import Count

KEPT_NAMES = 5_000
"""Distinct names a counter tells apart; the rarest beyond become "others"."""


def instant(stamp: str) -> datetime:
    """A time as it stands in records, which sorts as text as it does as time."""
    return datetime.fromisoformat(stamp).astimezone(UTC)


def stamp(time: datetime) -> str:
    """A time as it stands in records."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Counter:
    """Names with how often and when last. What it forgets, it counts as others."""

    __slots__ = ("counts", "kept", "others", "others_last")

    def __init__(self, kept: int = KEPT_NAMES) -> None:
        self.kept = kept
        self.counts: dict[str, tuple[int, str]] = {}
        self.others = 0
        self.others_last = ""

    def add(self, names: Iterable[str], last: str, count: int = 1) -> None:
        """Each name once."""
        for name in dict.fromkeys(names):
            before, latest = self.counts.get(name, (0, last))
            self.counts[name] = (before + count, max(latest, last))
        if len(self.counts) > 2 * self.kept:
            self._forget()

    def merge(self, other: Counter) -> None:
        for name, (count, last) in other.counts.items():
            self.add((name,), last, count)
        self.others += other.others
        self.others_last = max(self.others_last, other.others_last)

    def result(self) -> tuple[Count, ...]:
        """Most frequent first, the others at the end."""
        if len(self.counts) > self.kept:
            self._forget()
        found = [Count(name, n, instant(last)) for name, (n, last) in self.counts.items()]
        found.sort(key=lambda count: (-count.count, count.name))
        if self.others:
            found.append(Count("", self.others, instant(self.others_last), others=True))
        return tuple(found)

    def _forget(self) -> None:
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1][0], item[0]))
        self.counts = dict(ranked[: self.kept])
        for _, (count, last) in ranked[self.kept :]:
            self.others += count
            self.others_last = max(self.others_last, last)


class Latest:
    """The latest of many events, and how many there were."""

    __slots__ = ("count", "entries", "kept")

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.count = 0
        self.entries: list[tuple[str, str, str, tuple[tuple[str, str], ...]]] = []
        """Time, record, session, fields: a heap with the oldest in front."""

    def add(
        self, time: str, record: str, session: str, fields: tuple[tuple[str, str], ...]
    ) -> None:
        self.count += 1
        self._keep((time, record, session, fields))

    def merge(self, other: Latest) -> None:
        self.count += other.count
        for entry in other.entries:
            self._keep(entry)

    def _keep(self, entry: tuple[str, str, str, tuple[tuple[str, str], ...]]) -> None:
        if len(self.entries) < self.kept:
            heapq.heappush(self.entries, entry)
        else:
            heapq.heappushpop(self.entries, entry)
