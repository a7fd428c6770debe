"""Words, numbers and times as every kind of report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from dbguard.report.codes import Said, code_of, said
from dbguard.report.model import Count, Event, Report, Why
from dbguard.report.zones import EVERYWHERE, Zone

T = TypeVar("T")

OTHERS = "(others)"
SHOWN = 8
"""Names in a list within a line: more are counted. JSON and CSV have them all."""
SHOWN_REASONS = 5
"""Reasons of one refusal: each takes lines of its own."""
NAME_LIMIT = 200
"""Characters of one name in a list."""
REASON_LIMIT = 600
"""Characters of one reason, and of what would get the statement allowed."""
_VALUE_LIMIT = 1_000
"""Characters of one field of an event."""
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


def few(items: Sequence[T], limit: int = SHOWN) -> tuple[Sequence[T], int]:
    """What to show of a list, and how many more there are: never one, which is shown as soon."""
    cut = len(items) - limit if len(items) > limit + 1 else 0
    return items[: len(items) - cut], cut


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """`names` in a line, long lists cut with their count."""
    shown, more = few(names)
    parts = [plain(name, NAME_LIMIT) for name in shown]
    return separator.join([*parts, f"and {more:,} more"] if more else parts)


def reasons_of(whys: Sequence[Why]) -> tuple[Sequence[Why], int]:
    """The reasons to show, and how many more there are."""
    return few(whys, SHOWN_REASONS)


def rule_of(why: Why) -> str:
    """What refused, on one line; empty where no rule did but a limit of what can be decided."""
    return "" if code_of(why.rule) else listed(why.rule.split(", "))


def reason_of(why: Why) -> Said:
    return Said(plain(why.reason, REASON_LIMIT), code_of(why.rule))


def name_of(count: Count) -> str:
    return OTHERS if count.others else plain(count.name)


def reason_named(count: Count) -> Said:
    """A count of rules or reasons: what stands for a code is told in words."""
    found = Said("") if count.others else said(count.name)
    return Said(plain(found.words), found.code) if found.words else Said(name_of(count))


def event_text(event: Event) -> str:
    """An event's fields, what happened first, long values cut."""
    first = _value(event.field("event"))
    rest = ", ".join(
        f"{plain(name)}: {_value(value)}" for name, value in event.fields if name != "event"
    )
    return f"{first}; {rest}" if first and rest else first or rest


def _value(text: str) -> str:
    names = text.split(", ")
    return plain(listed(names) if len(names) > SHOWN + 1 else text, _VALUE_LIMIT)


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
