"""Words, numbers and times as every kind of report shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dbguard.report.model import Count, Event, Report
from dbguard.report.zones import EVERYWHERE, Zone

OTHERS = "(others)"
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class View:
    """How to show a report."""

    zone: Zone = EVERYWHERE
    rows: int = 10
    """Lines in each table."""

    def time(self, time: datetime, seconds: bool = True) -> str:
        return self.zone.local(time).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")

    def day(self, time: datetime) -> str:
        """With its weekday."""
        return self.zone.local(time).strftime("%a %Y-%m-%d %H:%M")

    def bucket(self, start: datetime, grain: str) -> str:
        """What a bucket of the timeline is called."""
        local = self.zone.local(start)
        if grain in ("10 minutes", "hour"):
            return local.strftime("%a %d %b, %H:%M")
        if grain == "month":
            return local.strftime("%b %Y")
        return local.strftime("%a %d %b %Y")


def plain(text: str, limit: int = 0) -> str:
    """`text` on one line, with what is not to be seen replaced, cut to `limit` characters.

    Controls of a terminal go, and so do characters that turn the direction of writing or that
    take no room: a name must read as what it is.
    """
    line = "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
    return line[: limit - 1] + "…" if limit and len(line) > limit else line


def name_of(count: Count) -> str:
    return OTHERS if count.others else plain(count.name)


def event_text(event: Event) -> str:
    """An event's fields, what happened first."""
    first = event.field("event")
    rest = ", ".join(f"{name}: {value}" for name, value in event.fields if name != "event")
    return plain(f"{first}; {rest}" if first and rest else first or rest)


def range_text(report: Report, view: View) -> str:
    """The time range that the report is on."""
    start, end = report.since or report.first, report.until or report.last
    if start is None or end is None:
        return "the whole trail"
    return f"{view.day(start)} to {view.day(end)}, {report.zone}"


def sparkline(values: list[int]) -> str:
    """Bars of text; empty for nothing at all."""
    top = max(values, default=0)
    if not top:
        return ""
    return "".join(" " if not v else _SPARKS[(v * len(_SPARKS) - 1) // top] for v in values)


def squeezed(values: list[int], width: int) -> list[int]:
    """The values added up until they are at most `width`."""
    if len(values) <= width:
        return values
    step = -(-len(values) // width)
    return [sum(values[at : at + step]) for at in range(0, len(values), step)]
