"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dbguard.errors import ConfigurationError
from dbguard.report.periods import moment, span
from dbguard.report.zones import EVERYWHERE, Zone

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("24h", NOW - timedelta(hours=24)),
        (" 7 d ", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30:15Z", datetime(2026, 11, 1, 8, 30, 15, tzinfo=UTC)),
        ("2026-11-01T08:30+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(text, NOW, "--since") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "someday",
        "24",
        "h",
        "-1h",
        "2026-13-01",
        "1e3h",
        "999999w",
        "24h30m",
        "25:00",
        "last night 20:00",
        "now 8:00",
        "last today",
        "2026-13",
        "3 fortnights ago",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--until: not a time"):
        moment(text, NOW, "--until")


BERLIN = Zone(ZoneInfo("Europe/Berlin"))
MONDAY = datetime(2026, 3, 30, 6, 30, tzinfo=UTC)
"""08:30 in Berlin, the day after clocks there were set forward."""


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-03-30", "2026-03-31"),
        ("Yesterday", "2026-03-29", "2026-03-30"),
        ("last night", "2026-03-29T18:00", "2026-03-30T08:00"),
        ("this week", "2026-03-30", "2026-04-06"),
        ("last  week", "2026-03-23", "2026-03-30"),
        ("this month", "2026-03-01", "2026-04-01"),
        ("last month", "2026-02-01", "2026-03-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("monday", "2026-03-30", "2026-03-31"),
        ("last monday", "2026-03-23", "2026-03-24"),
        ("sat", "2026-03-28", "2026-03-29"),
        ("last sunday", "2026-03-29", "2026-03-30"),
        ("2026-03-29", "2026-03-29", "2026-03-30"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-03-29 12:00", "2026-03-29T12:00", None),
        ("08:00", "2026-03-30T08:00", None),
        ("9:15", "2026-03-29T09:15", None),
        ("yesterday 18:00", "2026-03-29T18:00", None),
        ("friday at 7:30", "2026-03-27T07:30", None),
    ],
)
def test_days_are_those_of_the_zone(text: str, start: str, end: str | None) -> None:
    found = span(text, MONDAY, "--during", BERLIN)
    assert found.start == berlin(start)
    assert found.end == (berlin(end) if end else None)
    assert moment(text, MONDAY, "--since", BERLIN) == found.start


@pytest.mark.parametrize("text", ["2 hours ago", "2h", "2 hours", "120 minutes ago"])
def test_how_long_ago(text: str) -> None:
    assert moment(text, NOW, "--since") == NOW - timedelta(hours=2)
    assert moment("an hour ago", NOW, "--since") == NOW - timedelta(hours=1)


def test_zones_have_names() -> None:
    assert BERLIN.name(MONDAY) == "CEST, UTC+02:00"
    assert EVERYWHERE.name(MONDAY) == "UTC"
    assert Zone(timezone(timedelta(hours=-5, minutes=-30))).name(MONDAY) == "UTC-05:30"
