"""Does anything need a person? The first thing a report says."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from dbguard.report.model import Report

MANY_FAILED_LOGINS = 10
"""Of one user or from one address: more than a person who mistypes."""


class Level(enum.StrEnum):
    CALM = "calm"
    LOOK = "look"
    ACT = "act"


HEADLINES = {
    Level.CALM: "Nothing needs you",
    Level.LOOK: "Worth a look",
    Level.ACT: "Needs you now",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One reason to look."""

    level: Level
    text: str
    section: str
    """Where the report says more: the id of a section."""


@dataclass(frozen=True, slots=True)
class Judgement:
    level: Level
    points: tuple[Point, ...]
    """Most urgent first."""

    @property
    def headline(self) -> str:
        return HEADLINES[self.level]


def judge(report: Report) -> Judgement:
    """What in the report a person should look at."""
    points = [*_urgent(report), *_notable(report)]
    points.sort(key=lambda point: point.level is not Level.ACT)
    level = points[0].level if points else Level.CALM
    return Judgement(level, tuple(points))


def _urgent(report: Report) -> Iterator[Point]:
    events = report.events
    if events.verifications:
        yield Point(
            Level.ACT,
            f"{_many(events.verifications.count, 'check')} found the audit trail changed",
            "log",
        )
    tripwires = [e for e in events.security.latest if e.field("event") == "tripwire"]
    if tripwires:
        yield Point(
            Level.ACT,
            f"The tripwire stopped {_many(len(tripwires), 'result')} with a protected column: "
            "a defect of dbguard",
            "security",
        )
    others = events.security.count - len(tripwires)
    if others:
        yield Point(Level.ACT, _many(others, "other security event", tripwires), "security")
    if events.past:
        yield Point(
            Level.ACT,
            f"{_many(events.past.count, 'session')} reached the server past dbguard",
            "past",
        )
    replaced = [e for e in events.keys.latest if e.field("event") == "replaced"]
    if replaced:
        yield Point(
            Level.ACT, "The key that signs the audit trail was replaced without its old one", "log"
        )


def _notable(report: Report) -> Iterator[Point]:
    events, totals = report.events, report.totals
    if totals.denied:
        yield Point(
            Level.LOOK, f"{_many(totals.denied, 'statement')} refused by the policy", "blocked"
        )
    if totals.undecided:
        yield Point(
            Level.LOOK,
            f"{_many(totals.undecided, 'statement')} refused because dbguard could not decide",
            "blocked",
        )
    if report.bulk.unmasked:
        yield Point(
            Level.LOOK,
            f"{_many(report.bulk.unmasked, 'bulk read')} showed classified values unmasked "
            f"({report.bulk.threshold:,} rows or more)",
            "bulk",
        )
    if events.drift:
        columns = len({event.field("column") for event in events.drift.latest})
        yield Point(
            Level.LOOK,
            f"Classified values went to {_many(columns, 'place')} that the rules do not know",
            "drift",
        )
    logins = report.logins
    worst = max((c.count for c in (*logins.failed_by_user, *logins.failed_by_address)), default=0)
    if worst >= MANY_FAILED_LOGINS:
        yield Point(Level.LOOK, f"{_many(logins.failed, 'login')} failed", "logins")
    if events.recoveries:
        yield Point(
            Level.LOOK,
            f"The audit log was repaired or away {_many(events.recoveries.count, 'time')}",
            "log",
        )
    back = [e for e in events.clocks.latest if e.field("seconds").startswith("-")]
    if back:
        yield Point(Level.LOOK, f"The clock was set back {_many(len(back), 'time')}", "log")


def _many(count: int, what: str, after: object = True) -> str:
    word = what if after else what.replace("other ", "")
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
