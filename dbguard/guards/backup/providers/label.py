"""`backup_label`: where and when a base backup began."""

from __future__ import annotations

import functools
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .fields import Misread
from .wal import parse_lsn

_UTC: Final = frozenset({"UTC", "GMT", "Z", "UCT"})


@dataclass(frozen=True, slots=True)
class Label:
    taken_at: datetime
    start: int
    """WAL position from which it has to be recovered."""


def read_label(data: bytes) -> Label:
    """Raises Misread for what is no label."""
    lines = data.decode("utf-8", "replace").splitlines()
    members = dict(line.split(": ", 1) for line in lines if ": " in line)
    if "START WAL LOCATION" not in members or "START TIME" not in members:
        raise Misread("its label is not whole")
    start = parse_lsn(members["START WAL LOCATION"].partition(" ")[0])
    return Label(_moment(members["START TIME"]), start)


def _moment(text: str) -> datetime:
    """`2026-03-01 12:00:00 CET`: the zone is the abbreviation that log_timezone has then.

    One abbreviation can stand for several zones. The earliest moment that it may mean is taken: a
    backup that is believed to be older than it is counts for less, never for more.
    """
    date, _, zone = text.rpartition(" ")
    try:
        naive = datetime.fromisoformat(date)
    except ValueError:
        raise Misread("its label has no time") from None
    if naive.tzinfo is not None:
        raise Misread("its label has no time")
    try:
        offset = timedelta() if zone in _UTC else _offset(zone, naive)
        moment = None if offset is None else naive - offset
    except OverflowError:
        raise Misread("its label has no time") from None
    if moment is None:
        raise Misread("its label has a time in a zone that is not known")
    return moment.replace(tzinfo=UTC)


@functools.lru_cache(maxsize=64)
def _offset(zone: str, at: datetime) -> timedelta | None:
    """The largest difference from UTC that the abbreviation has anywhere at that time."""
    if zone[:1] in "+-" and zone[1:].isascii() and zone[1:].isdecimal() and len(zone) in (3, 5):
        size = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:] or 0))
        return size if zone[0] == "+" else -size
    if not zone.isascii() or not zone.isalpha() or len(zone) > 6:
        return None
    found = []
    for name in sorted(zoneinfo.available_timezones()):
        there = at.replace(tzinfo=zoneinfo.ZoneInfo(name))
        if there.tzname() == zone and (offset := there.utcoffset()) is not None:
            found.append(offset)
    return max(found, default=None)
