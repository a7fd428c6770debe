"""Buckets fit the range, and days are those of the zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dbguard.report.counting import stamp
from dbguard.report.model import Timeline
from dbguard.report.timeline import TimeCount
from dbguard.report.zones import EVERYWHERE, Zone

FIRST = datetime(2026, 10, 23, 22, 30, tzinfo=UTC)
BERLIN = Zone(ZoneInfo("Europe/Berlin"))


def counted(*times: datetime) -> TimeCount:
    count = TimeCount()
    for time in times:
        count.add(stamp(time), 0)
    return count


def result(
    count: TimeCount, last: datetime, zone: Zone = EVERYWHERE, since: datetime | None = None
) -> Timeline:
    return count.result(since, None, since or FIRST, last, zone)


@pytest.mark.parametrize(
    ("span", "grain", "number"),
    [
        (timedelta(0), "10 minutes", 1),
        (timedelta(hours=2), "10 minutes", 13),
        (timedelta(hours=30), "hour", 31),
        (timedelta(days=20), "day", 21),
        (timedelta(days=300), "week", 43),
        (timedelta(days=2200), "month", 73),
    ],
)
def test_grains(span: timedelta, grain: str, number: int) -> None:
    found = result(counted(FIRST, FIRST + span), FIRST + span)
    assert found.grain == grain
    assert abs(len(found.buckets) - number) <= 1
    assert sum(bucket.allowed for bucket in found.buckets) == 2
    assert found.buckets[-1].allowed >= 1


def test_days_of_the_zone_over_the_end_of_summer_time() -> None:
    last = FIRST + timedelta(days=20)
    found = result(counted(FIRST), last, BERLIN)
    starts = [BERLIN.local(bucket.start) for bucket in found.buckets]
    assert {(start.hour, start.minute) for start in starts} == {(0, 0)}
    assert starts[0].day == 24  # 00:30 in Berlin
    assert found.buckets[0].allowed == 1


def test_an_hour_that_comes_twice_is_there_once() -> None:
    last = FIRST + timedelta(days=3)
    found = result(counted(), last, BERLIN)
    starts = [bucket.start for bucket in found.buckets]
    assert starts == sorted(set(starts))


def test_a_range_much_longer_than_the_trail_is_not_shown_empty() -> None:
    last = FIRST + timedelta(hours=3)
    count = counted(FIRST, last)
    found = count.result(FIRST - timedelta(days=2000), None, FIRST, last, EVERYWHERE)
    assert found.grain == "10 minutes"


def test_many_stretches_are_counted_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbguard.report.timeline.KEPT_SLOTS", 50)
    times = [FIRST + timedelta(minutes=10 * n) for n in range(200)]
    coarse, fine = counted(*times), counted(*times[:10])
    assert len(coarse.slots) < 50
    fine.merge(coarse)
    coarse.merge(counted(*times[:10]))
    assert fine.slots == coarse.slots
    assert sum(b.allowed for b in result(fine, times[-1]).buckets) == 210
