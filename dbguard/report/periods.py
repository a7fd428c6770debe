"""Points in time and stretches of it as people write them on a command line.

A *span* has a beginning and an end (`yesterday`, `last month`); `--since` means its beginning,
`--until` its beginning too, `--during` both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dbguard.errors import ConfigurationError
from dbguard.report.zones import EVERYWHERE, Zone

NIGHT_BEGINS = 18
NIGHT_ENDS = 8
"""Hours: `last night` is when nobody is at the desk."""

_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "seconds": "seconds",
    "m": "minutes", "min": "minutes", "minute": "minutes", "minutes": "minutes",
    "h": "hours", "hour": "hours", "hours": "hours",
    "d": "days", "day": "days", "days": "days",
    "w": "weeks", "week": "weeks", "weeks": "weeks",
}  # fmt: skip
_AGO = re.compile(r"([0-9]{1,6}|an?)\s*([a-z]+)(\s+ago)?")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_CLOCK = re.compile(r"(?:(.+?) (?:at )?)?([0-9]{1,2}):([0-9]{2})")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """In UTC; `end` is not part of it. None: it has no end of its own."""

    start: datetime
    end: datetime | None


def moment(text: str, now: datetime, option: str, zone: Zone = EVERYWHERE) -> datetime:
    """When `text` begins; see `span`. Raises ConfigurationError naming `option`."""
    return span(text, now, option, zone).start


def span(text: str, now: datetime, option: str, zone: Zone = EVERYWHERE) -> Span:
    """`24h`, `2 hours ago`, `today`, `yesterday`, `last night`, `this week`, `last month`,
    `monday`, `yesterday 18:00`, `2026-11`, or a date or time (of `zone` unless it names one).

    Raises ConfigurationError naming `option`.
    """
    words = " ".join(text.lower().split())
    try:
        found = _relative(words, now) or _named(words, now, zone) or _clock(words, now, zone)
        return found or _dated(" ".join(text.split()), zone)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option}: not a time: {text}",
            hint="Write how long ago (30m, 24h, 7d, 2 hours ago), a day (today, yesterday, last "
            "night, monday, this week, last month), or a date such as 2026-11-01 or "
            "2026-11-01T08:00.",
        ) from error


def _relative(words: str, now: datetime) -> Span | None:
    match = _AGO.fullmatch(words)
    if match is None or match[2] not in _UNITS:
        return None
    count = int(match[1]) if match[1].isdigit() else 1
    return Span(now - timedelta(**{_UNITS[match[2]]: count}), None)


def _named(words: str, now: datetime, zone: Zone) -> Span | None:
    shown = zone.local(now).replace(tzinfo=None)
    today = shown.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    last_month = (month - _DAY).replace(day=1)
    spans: dict[str, Callable[[], tuple[datetime, datetime]]] = {
        "now": lambda: (shown, shown),
        "today": lambda: (today, today + _DAY),
        "yesterday": lambda: (today - _DAY, today),
        "last night": lambda: _night(today),
        "this week": lambda: (monday, monday + timedelta(days=7)),
        "last week": lambda: (monday - timedelta(days=7), monday),
        "this month": lambda: (month, (month + timedelta(days=31)).replace(day=1)),
        "last month": lambda: (last_month, month),
        "this year": lambda: (year, year.replace(year=year.year + 1)),
        "last year": lambda: (year.replace(year=year.year - 1), year),
    }
    if words in spans:
        if words == "now":
            return Span(now, now)
        start, end = spans[words]()
        return Span(zone.instant(start), zone.instant(end))
    name = words.removeprefix("last ")
    days = [day for day in _WEEKDAYS if name in (day, day[:3])]
    if not days:
        return None
    back = (today.weekday() - _WEEKDAYS.index(days[0])) % 7
    if words.startswith("last ") and back == 0:
        back = 7
    start = today - timedelta(days=back)
    return Span(zone.instant(start), zone.instant(start + _DAY))


def _night(today: datetime) -> tuple[datetime, datetime]:
    evening = (today - _DAY).replace(hour=NIGHT_BEGINS)
    return evening, today.replace(hour=NIGHT_ENDS)


def _clock(words: str, now: datetime, zone: Zone) -> Span | None:
    """`08:00`, `yesterday 18:00`: the latest such moment, if no day is named."""
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    day = _named(match[1], now, zone) if match[1] else None
    if match[1] and (day is None or match[1] in ("now", "last night")):
        return None
    shown = zone.local(day.start if day else now)
    at = shown.replace(tzinfo=None, hour=int(match[2]), minute=int(match[3]))
    start = zone.instant(at.replace(second=0, microsecond=0))
    return Span(start - _DAY if day is None and start > now else start, None)


def _dated(text: str, zone: Zone) -> Span:
    month = _MONTH.fullmatch(text)
    if month:
        start = datetime(int(month[1]), int(month[2]), 1)  # noqa: DTZ001 - clocks of the zone
        following = (start + timedelta(days=31)).replace(day=1)
        return Span(zone.instant(start), zone.instant(following))
    parsed = datetime.fromisoformat(text)
    start = zone.instant(parsed) if parsed.tzinfo is None else parsed.astimezone(UTC)
    whole_day = len(text) == len("2026-11-01")
    return Span(start, zone.instant(parsed + _DAY) if whole_day else None)
