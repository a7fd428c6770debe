"""Decisions over time, in buckets that fit the range."""

from __future__ import annotations

import bisect
from datetime import UTC, datetime, timedelta

from dbguard.report.model import Bucket, Timeline
from dbguard.report.zones import Zone

FINE = 15
"""Characters of a record's time that name its ten minutes: `2026-11-21T08:4`."""
COARSE = 13
"""Characters that name its hour."""
KEPT_SLOTS = 60_000
"""More than a year of ten minutes; longer ranges are counted by the hour."""
_MOST_BUCKETS = 400
_LEAD = 3
"""A range that begins so many times earlier than the trail, counted in what the trail covers, is
shown from the trail's beginning on."""

_GRAINS = (
    (timedelta(hours=4), "10 minutes"),
    (timedelta(days=8), "hour"),
    (timedelta(days=75), "day"),
    (timedelta(days=550), "week"),
)


class TimeCount:
    """How many statements of each sort in each stretch of ten minutes (or an hour)."""

    __slots__ = ("grain", "slots")

    def __init__(self) -> None:
        self.grain = FINE
        self.slots: dict[str, list[int]] = {}

    def add(self, time: str, column: int) -> None:
        slot = self.slots.get(time[: self.grain])
        if slot is None:
            slot = self._new(time[: self.grain])
        slot[column] += 1

    def merge(self, other: TimeCount) -> None:
        if other.grain < self.grain:
            self._coarsen()
        for key, counts in other.slots.items():
            own = self.slots.get(key[: self.grain])
            if own is None:
                own = self._new(key[: self.grain])
            for column, count in enumerate(counts):
                own[column] += count

    def result(
        self,
        since: datetime | None,
        until: datetime | None,
        first: datetime | None,
        last: datetime | None,
        zone: Zone,
    ) -> Timeline:
        if first is None or last is None:
            return Timeline("hour", ())
        end = until if until is not None and until - last < _LEAD * (last - first) else last
        start = since if since is not None and first - since < _LEAD * (end - first) else first
        grain = next((name for span, name in _GRAINS if end - start <= span), "month")
        edges = _edges(zone.local(start).replace(tzinfo=None), end, grain, zone)
        counts = [[0, 0, 0] for _ in edges]
        for key, slot in self.slots.items():
            index = bisect.bisect_right(edges, _beginning(key)) - 1
            own = counts[max(index, 0)]
            for column, count in enumerate(slot):
                own[column] += count
        return Timeline(
            grain,
            tuple(Bucket(edge, *slot) for edge, slot in zip(edges, counts, strict=True)),
        )

    def _new(self, key: str) -> list[int]:
        if len(self.slots) >= KEPT_SLOTS and self.grain == FINE:
            self._coarsen()
            key = key[:COARSE]
        return self.slots.setdefault(key, [0, 0, 0])

    def _coarsen(self) -> None:
        self.grain = COARSE
        fine, self.slots = self.slots, {}
        for key, counts in fine.items():
            own = self.slots.setdefault(key[:COARSE], [0, 0, 0])
            for column, count in enumerate(counts):
                own[column] += count


def _beginning(key: str) -> datetime:
    return datetime.fromisoformat(key + "0" if len(key) == FINE else key + ":00").replace(
        tzinfo=UTC
    )


def _edges(start: datetime, end: datetime, grain: str, zone: Zone) -> list[datetime]:
    """Beginnings of the buckets, in UTC; `start` is what clocks in the zone show."""
    shown = start.replace(minute=start.minute // 10 * 10, second=0, microsecond=0)
    if grain != "10 minutes":
        shown = shown.replace(minute=0)
    if grain in ("day", "week", "month"):
        shown = shown.replace(hour=0)
    if grain == "week":
        shown -= timedelta(days=shown.weekday())
    if grain == "month":
        shown = shown.replace(day=1)
    edges: list[datetime] = []
    while (edge := zone.instant(shown)) <= end and len(edges) < _MOST_BUCKETS:
        if not edges or edge > edges[-1]:  # an hour that clocks show twice or skip
            edges.append(edge)
        shown = _next(shown, grain)
    return edges


def _next(shown: datetime, grain: str) -> datetime:
    if grain == "month":
        return (shown + timedelta(days=31)).replace(day=1)
    step = {
        "10 minutes": timedelta(minutes=10),
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
    }
    return shown + step[grain]
